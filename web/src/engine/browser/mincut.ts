/**
 * The minimum cut of a grid: Boykov and Kolmogorov, An Experimental Comparison of Min-Cut/Max-Flow Algorithms, 2004.
 *
 * Two trees of nodes grow from source and sink; where they meet, flow is sent, and nodes that lost their parent are
 * adopted or set free.
 */

/** Columns and rows to each neighbour; the opposite of direction d is 7 - d. */
export const DIRECTIONS = [
  [-1, -1],
  [0, -1],
  [1, -1],
  [-1, 0],
  [1, 0],
  [-1, 1],
  [0, 1],
  [1, 1],
] as const;
const COUNT = DIRECTIONS.length;

const FREE = 0;
const SOURCE = 1;
const SINK = 2;
/** Directions of a node's parent that are none. */
const TERMINAL = COUNT;
const ORPHAN = COUNT + 1;

/** A grid of nodes, whose edges do not lead out of it. */
export interface Grid {
  width: number;
  height: number;
  /** Capacity from the source less that to the sink, of each node. */
  terminals: Float64Array;
  /** Capacity from each node in each of its eight directions, node by node; 0 out of the grid. Changed. */
  edges: Float64Array;
}

/** Which nodes are on the side of the source when the minimum cut is made: 1, else 0. */
export function minimumCut({ width, height, terminals, edges }: Grid): Uint8Array {
  const flow = new Flow(width, height, terminals.slice(), edges);
  flow.run();
  return flow.tree.map((side) => (side === SOURCE ? 1 : 0));
}

class Flow {
  readonly tree: Uint8Array;
  private readonly parent: Uint8Array;
  private readonly isActive: Uint8Array;
  private readonly offsets: number[];
  /** When a node's way to its terminal was last checked, and its length. */
  private readonly checked: Int32Array;
  private readonly distance: Int32Array;
  private active: number[] = [];
  private orphans: number[] = [];
  private time = 1;

  constructor(
    width: number,
    height: number,
    private readonly terminals: Float64Array,
    private readonly edges: Float64Array,
  ) {
    const nodes = width * height;
    this.offsets = DIRECTIONS.map(([x, y]) => y * width + x);
    this.tree = new Uint8Array(nodes);
    this.parent = new Uint8Array(nodes);
    this.isActive = new Uint8Array(nodes);
    this.checked = new Int32Array(nodes);
    this.distance = new Int32Array(nodes);
    for (let node = 0; node < nodes; node++) {
      if (terminals[node] === 0) continue;
      this.tree[node] = terminals[node] > 0 ? SOURCE : SINK;
      this.parent[node] = TERMINAL;
      this.activate(node);
    }
  }

  run(): void {
    for (let at = 0; at < this.active.length; at++) {
      const node = this.active[at];
      this.isActive[node] = 0;
      while (this.tree[node] !== FREE && this.grow(node)) this.adopt();
      if (at < 100_000) continue;
      this.active = this.active.slice(at + 1); // what is done takes no memory
      at = -1;
    }
  }

  private activate(node: number): void {
    if (this.isActive[node] !== 0) return;
    this.isActive[node] = 1;
    this.active.push(node);
  }

  /** Residual capacity of the edge between a node and a neighbour, in the direction of the flow of a tree. */
  private residual(side: number, node: number, direction: number): number {
    if (side === SOURCE) return this.edges[node * COUNT + direction];
    return this.edges[(node + this.offsets[direction]) * COUNT + 7 - direction] ?? 0;
  }

  /** Take free neighbours into the tree of a node; returns whether the other tree was met, and flow sent. */
  private grow(node: number): boolean {
    const side = this.tree[node];
    for (let direction = 0; direction < COUNT; direction++) {
      if (this.residual(side, node, direction) <= 0) continue;
      const other = node + this.offsets[direction];
      if (this.tree[other] === FREE) {
        this.tree[other] = side;
        this.parent[other] = 7 - direction;
        this.checked[other] = this.checked[node];
        this.distance[other] = this.distance[node] + 1;
        this.activate(other);
      } else if (this.tree[other] !== side) {
        if (side === SOURCE) this.send(node, direction);
        else this.send(other, 7 - direction);
        return true;
      }
    }
    return false;
  }

  /** Send as much flow as goes from source to sink over an edge between the trees. */
  private send(from: number, direction: number): void {
    const to = from + this.offsets[direction];
    const most = Math.min(
      this.edges[from * COUNT + direction],
      this.bottleneck(from, SOURCE),
      this.bottleneck(to, SINK),
    );
    this.push(from, direction, most);
    this.drain(from, SOURCE, most);
    this.drain(to, SINK, most);
    this.time++;
  }

  /** The least capacity between a node and its terminal. */
  private bottleneck(start: number, side: number): number {
    let least = Infinity;
    let node = start;
    for (; this.parent[node] !== TERMINAL; node += this.offsets[this.parent[node]]) {
      least = Math.min(least, this.toParent(side, node));
    }
    return Math.min(least, Math.abs(this.terminals[node]));
  }

  /** Residual capacity between a node and its parent, in the direction of the flow. */
  private toParent(side: number, node: number): number {
    const direction = this.parent[node];
    if (side === SINK) return this.edges[node * COUNT + direction];
    return this.edges[(node + this.offsets[direction]) * COUNT + 7 - direction];
  }

  private push(from: number, direction: number, flow: number): void {
    this.edges[from * COUNT + direction] -= flow;
    this.edges[(from + this.offsets[direction]) * COUNT + 7 - direction] += flow;
  }

  /** Reduce the capacities between a node and its terminal; nodes behind what is used up become orphans. */
  private drain(start: number, side: number, flow: number): void {
    let node = start;
    while (this.parent[node] !== TERMINAL) {
      const direction = this.parent[node];
      const parent = node + this.offsets[direction];
      if (side === SINK) this.push(node, direction, flow);
      else this.push(parent, 7 - direction, flow);
      if (this.toParent(side, node) <= 0) this.abandon(node);
      node = parent;
    }
    this.terminals[node] -= side === SOURCE ? flow : -flow;
    if (this.terminals[node] === 0) this.abandon(node);
  }

  private abandon(node: number): void {
    this.parent[node] = ORPHAN;
    this.orphans.push(node);
  }

  private adopt(): void {
    for (let node = this.orphans.pop(); node !== undefined; node = this.orphans.pop()) {
      const side = this.tree[node];
      const direction = this.nearestParent(node, side);
      if (direction < 0) this.free(node, side);
      else this.parent[node] = direction;
    }
  }

  /** The direction of the neighbour of a tree that is nearest to its terminal; -1 when there is none. */
  private nearestParent(node: number, side: number): number {
    let [found, least] = [-1, Infinity];
    for (let direction = 0; direction < COUNT; direction++) {
      if (this.residual(3 - side, node, direction) <= 0) continue;
      const other = node + this.offsets[direction];
      if (this.tree[other] !== side) continue;
      const length = this.length(other);
      if (length < least) [found, least] = [direction, length];
    }
    if (found >= 0) {
      this.checked[node] = this.time;
      this.distance[node] = least + 1;
    }
    return found;
  }

  /** Steps from a node to its terminal; infinite when it has lost it. */
  private length(start: number): number {
    let [node, steps] = [start, 0];
    while (this.checked[node] !== this.time && this.parent[node] !== TERMINAL) {
      if (this.parent[node] === ORPHAN) return Infinity;
      node += this.offsets[this.parent[node]];
      steps++;
    }
    if (this.checked[node] !== this.time) {
      this.checked[node] = this.time;
      this.distance[node] = 1;
    }
    const total = steps + this.distance[node];
    for (let at = start, left = total; at !== node; at += this.offsets[this.parent[at]]) {
      this.checked[at] = this.time;
      this.distance[at] = left--;
    }
    return total;
  }

  /** Set a node free; its children become orphans, and neighbours may take it again. */
  private free(node: number, side: number): void {
    for (let direction = 0; direction < COUNT; direction++) {
      const other = node + this.offsets[direction];
      if (this.tree[other] !== side) continue;
      if (this.residual(3 - side, node, direction) > 0) this.activate(other);
      if (this.parent[other] === 7 - direction) this.abandon(other);
    }
    this.tree[node] = FREE;
  }
}

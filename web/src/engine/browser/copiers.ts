/** Workers that copy texture, so that all processors copy, and the worker of the networks can be cancelled meanwhile. */

import { copyTexture, type Task } from "./copying";
import { loadPatchMatch } from "./patchmatch";
import type { Photo } from "./pixels";

/** More workers would only take memory: a hole has two copies. */
const MAX_COPIERS = 4;

/** Makes the script of a worker a copier. */
export interface Beginning {
  kind: "copy";
  patchMatch: WebAssembly.Module;
  /** Held while the copier is alive. */
  lock: string;
}

type Copied = { kind: "alive" } | { kind: "copied"; photo: Photo } | { kind: "failed"; error: unknown };

interface Job {
  task: Task;
  signal: AbortSignal;
  resolve: (photo: Photo) => void;
  reject: (reason: unknown) => void;
}

/** The copiers of a worker, which are started when there is something to copy, and end with it. */
export class Copiers {
  private readonly waiting: Job[] = [];
  private readonly busy = new Map<Worker, Job>();
  private readonly idle: Worker[] = [];

  /**
   * @param patchMatch - `patchmatch.wasm`, compiled
   * @param script - address of the script that calls `beginCopying`
   */
  constructor(
    private readonly patchMatch: WebAssembly.Module,
    private readonly script: string,
    private readonly count = Math.min(navigator.hardwareConcurrency, MAX_COPIERS),
  ) {}

  /** Copy in the next copier that is free; aborting ends it. */
  copy(task: Task, signal: AbortSignal): Promise<Photo> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const job = { task, signal, resolve, reject };
      signal.addEventListener("abort", () => this.cancel(job), { once: true });
      this.waiting.push(job);
      this.startNext();
    });
  }

  private startNext(): void {
    while (this.waiting.length > 0 && this.busy.size < this.count) {
      const copier = this.idle.pop() ?? this.start();
      const job = this.waiting.shift() as Job;
      this.busy.set(copier, job);
      copier.postMessage(job.task);
    }
  }

  private start(): Worker {
    const copier = new Worker(this.script);
    const lock = `onar-copier-${Date.now()}-${Math.random()}`;
    copier.onmessage = ({ data }: MessageEvent<Copied>) => {
      // Browsers end workers silently, but release their locks.
      if (data.kind === "alive") void navigator.locks.request(lock, () => this.end(copier, new Error("it ended")));
      else if (data.kind === "failed") this.end(copier, data.error);
      else this.finish(copier, data.photo);
    };
    copier.onerror = ({ message }) => this.end(copier, new Error(message));
    copier.postMessage({ kind: "copy", patchMatch: this.patchMatch, lock } satisfies Beginning);
    return copier;
  }

  private finish(copier: Worker, photo: Photo): void {
    this.busy.get(copier)?.resolve(photo);
    this.busy.delete(copier);
    this.idle.push(copier);
    this.startNext();
  }

  private end(copier: Worker, reason: unknown): void {
    copier.terminate();
    this.busy.get(copier)?.reject(reason);
    this.busy.delete(copier);
    const place = this.idle.indexOf(copier);
    if (place >= 0) this.idle.splice(place, 1);
    this.startNext();
  }

  private cancel(job: Job): void {
    const place = this.waiting.indexOf(job);
    if (place >= 0) this.waiting.splice(place, 1);
    for (const [copier, its] of this.busy) if (its === job) this.end(copier, job.signal.reason);
    job.reject(job.signal.reason);
  }
}

/** Make this worker a copier. */
export function beginCopying({ patchMatch, lock }: Beginning): void {
  const post = (message: Copied): void => self.postMessage(message);
  const copyPatches = loadPatchMatch(patchMatch);
  self.onmessage = ({ data }: MessageEvent<Task>) => {
    copyTexture(data, copyPatches).then(
      (photo) => post({ kind: "copied", photo }),
      (error: unknown) => post({ kind: "failed", error }),
    );
  };
  navigator.locks?.request(lock, () => {
    post({ kind: "alive" });
    return new Promise(() => {});
  });
}

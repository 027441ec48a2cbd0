/** Client of the worker: a call is a promise, and a worker that does not react to cancelling is terminated. */

import { load } from "../../offline/kept";
import type { OnProgress } from "../engine";
import {
  type Answer,
  type Call,
  type Calls,
  type FromWorker,
  type Note,
  noteOf,
  type Place,
  type ToWorker,
} from "./protocol";

/** Milliseconds in which a cancelled call may end by itself: a running network receives no messages. */
const GRACE = 400;
/** Timeout in milliseconds for the start of a worker. */
const BIRTH = 30_000;

interface Pending {
  message: ToWorker;
  resolve: (result: never) => void;
  reject: (reason: unknown) => void;
  onProgress: OnProgress | undefined;
  signal: AbortSignal;
}

/** A failed call, with an untranslated message. */
export class CallError extends Error {
  constructor(readonly note: Note) {
    super(note.key);
  }
}

export class Connection {
  private readonly pending = new Map<number, Pending>();
  private worker: Promise<Worker> | null = null;
  private script: Promise<string> | null = null;
  private calls = 0;

  /** @param onReplaced - called after a worker was replaced, to prepare the next one */
  constructor(
    private readonly place: Place,
    private readonly onReplaced: () => void = () => {},
  ) {}

  call<Name extends Call>(
    name: Name,
    argument: Calls[Name][0],
    signal: AbortSignal,
    onProgress?: OnProgress,
  ): Promise<Calls[Name][1]> {
    if (signal.aborted) return Promise.reject(signal.reason);
    const number = this.calls++;
    const message = { kind: "call", number, name, argument } as ToWorker;
    return new Promise((resolve, reject) => {
      this.pending.set(number, { message, resolve, reject, onProgress, signal });
      signal.addEventListener("abort", () => this.cancel(number), { once: true });
      this.post(message);
    });
  }

  private post(message: ToWorker): void {
    this.worker ??= this.start();
    this.worker.then(
      (worker) => worker.postMessage(message),
      (error: Error) => this.fail(noteOf(error)),
    );
  }

  private async start(): Promise<Worker> {
    this.script ??= loadScript(new URL(this.place.files["worker.js"].name, this.place.base));
    const worker = new Worker(await this.script);
    const lock = `onar-worker-${Date.now()}-${Math.random()}`;
    const unborn = navigator.locks && setTimeout(() => this.bury(worker), BIRTH);
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      if (data.kind !== "alive") return this.hear(data);
      clearTimeout(unborn);
      // Browsers terminate workers silently, but release their locks.
      navigator.locks.request(lock, () => this.bury(worker));
    };
    worker.onerror = (event) => this.fail(noteOf(new Error(event.message)));
    worker.postMessage({ kind: "start", place: this.place, lock } satisfies ToWorker);
    return worker;
  }

  /** A worker has ended; one that was replaced is ignored. */
  private async bury(worker: Worker): Promise<void> {
    if ((await this.worker) === worker) this.fail({ key: "browser_worker_ended" });
  }

  private hear(message: Answer): void {
    const call = this.pending.get(message.number);
    if (call === undefined) return;
    if (message.kind === "progress") {
      call.onProgress?.(message.progress);
      return;
    }
    this.pending.delete(message.number);
    if (call.signal.aborted) call.reject(call.signal.reason);
    else if (message.kind === "done") call.resolve(message.result as never);
    else if (message.kind === "failed") {
      call.reject(new CallError(message.note));
      if (message.broken) this.startAnew();
    }
  }

  private cancel(number: number): void {
    const call = this.pending.get(number);
    if (call === undefined) return;
    this.post({ kind: "cancel", number });
    setTimeout(() => {
      if (!this.pending.delete(number)) return;
      call.reject(call.signal.reason);
      this.startAnew();
    }, GRACE);
  }

  /** Replace the worker, and repeat the pending calls. */
  private startAnew(): void {
    this.end();
    for (const { message } of this.pending.values()) this.post(message);
    this.onReplaced();
  }

  private end(): void {
    this.worker?.then(
      (worker) => worker.terminate(),
      () => {}, // it never started
    );
    this.worker = null;
  }

  /** The worker ended, or never started. */
  private fail(note: Note): void {
    this.end();
    this.script = null;
    for (const { reject } of this.pending.values()) reject(new CallError(note));
    this.pending.clear();
  }
}

/** A blob URL of the worker's code with the right content type, which hosts may get wrong. */
async function loadScript(address: URL): Promise<string> {
  return URL.createObjectURL(new Blob([await load(address)], { type: "text/javascript" }));
}

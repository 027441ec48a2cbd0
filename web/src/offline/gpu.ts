/** Which build of ONNX Runtime a browser needs. */

/** Whether there is a GPU, not a software emulation, and support for JSPI. */
export async function mayUseGpu(): Promise<boolean> {
  const { gpu } = navigator as Navigator & { gpu?: Gpu };
  if (gpu === undefined || !("Suspending" in WebAssembly)) return false;
  const adapter = await gpu.requestAdapter().catch(() => null);
  return adapter !== null && !adapter.info.isFallbackAdapter;
}

/** The part of WebGPU that is used; TypeScript has no types for it yet. */
interface Gpu {
  requestAdapter(): Promise<{ info: { isFallbackAdapter: boolean } } | null>;
}

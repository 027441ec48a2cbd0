/** Which build of ONNX Runtime a browser needs. */

/** Whether there is a GPU, rather than a processor that plays one, and what ONNX Runtime needs to wait for it. */
export async function mayUseGpu(): Promise<boolean> {
  const { gpu } = navigator as Navigator & { gpu?: Gpu };
  if (gpu === undefined || !("Suspending" in WebAssembly)) return false;
  const adapter = await gpu.requestAdapter().catch(() => null);
  return adapter !== null && !adapter.info.isFallbackAdapter;
}

/** What this asks of WebGPU, which TypeScript does not know yet. */
interface Gpu {
  requestAdapter(): Promise<{ info: { isFallbackAdapter: boolean } } | null>;
}

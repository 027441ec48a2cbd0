import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

/** A photo as the browser shows its file, while it is being opened; nothing where the browser cannot. */
export function Preview({ file }: { file: File }): JSX.Element {
  const element = useRef<HTMLImageElement>(null);
  const isShown = useSignal(false);
  useLayoutEffect(() => {
    const address = URL.createObjectURL(file);
    if (element.current !== null) element.current.src = address;
    return () => URL.revokeObjectURL(address);
  }, [file]);
  return (
    <div class="preview" hidden={!isShown.value}>
      <img
        ref={element}
        alt={file.name}
        onLoad={() => {
          isShown.value = true;
        }}
      />
    </div>
  );
}

/** What texts ask a browser for, where there is none; to be imported before them. */

const kept = new Map<string, string>();
const globals = {
  localStorage: {
    getItem: (name: string) => kept.get(name) ?? null,
    setItem: (name: string, value: string) => kept.set(name, value),
  },
  navigator: { languages: ["en"] },
};
for (const [name, value] of Object.entries(globals)) Object.defineProperty(globalThis, name, { value });

// Run in the exported page: asks its worker as the page does, and turns files and pixels into text for Python.

const fromText = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

const toText = (bytes) => {
  let text = "";
  for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  return btoa(text);
};

window.startWorker = async () => {
  const inside = document.getElementById("onar-site")?.textContent;
  const site = JSON.parse(inside ?? (await (await fetch("onar.json")).text()));
  const { files } = site;
  const code = await (await fetch(files["worker.js"].name)).arrayBuffer();
  const script = new Blob([code], { type: "text/javascript" });
  const worker = new Worker(URL.createObjectURL(script));
  const calls = new Map();
  worker.onmessage = ({ data }) => {
    const call = calls.get(data.number);
    if (data.kind === "progress") call.shares.push(data.progress);
    else if (data.kind === "done") call.resolve({ result: data.result, shares: call.shares });
    else call.reject(new Error(data.kind === "failed" ? JSON.stringify(data.note) : data.kind));
  };
  const { model, blend, copies, training_size: trainingSize, step, network, finder } = site;
  const place = { base: document.baseURI, files, model, blend, copies, trainingSize, step, network, finder };
  worker.postMessage({ kind: "start", place });
  window.ask = (name, argument) =>
    new Promise((resolve, reject) => {
      const number = calls.size;
      calls.set(number, { resolve, reject, shares: [] });
      worker.postMessage({ kind: "call", number, name, argument });
    });
};

window.openFile = async (name, content) => {
  const margins = { left: 0, top: 0, right: 0, bottom: 0 };
  window.source = { id: (window.source?.id ?? 0) + 1, file: new File([fromText(content)], name), margins };
  const { result } = await window.ask("open", { source: window.source });
  return { width: result.width, height: result.height, notes: result.notes.map(({ key }) => key) };
};

window.fillHole = async (rect, mask, texture, earlier = []) => {
  const hole = [{ rect, mask: fromText(mask) }];
  const argument = { source: window.source, earlier, hole, options: { texture, seed: 0 } };
  const { result, shares: told } = await window.ask("fill", argument);
  const working = told.filter(({ doing }) => doing === "working").map(({ share }) => share);
  const shares = [working[0], ...working.filter((share) => share !== null)];
  window.filled = [...earlier, { rects: [rect], content: result.content }];
  return { pixels: toText(new Uint8Array(await result.content.arrayBuffer())), shares };
};

window.saveAs = async (format) => {
  const { result } = await window.ask("save", { source: window.source, fills: window.filled, format, crop: null });
  const content = toText(new Uint8Array(await result.content.arrayBuffer()));
  return { content, ending: result.ending, notes: result.notes.map(({ key }) => key) };
};

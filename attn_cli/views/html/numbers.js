// Numbers: as they are kept, and as text. `DECIMALS` are shown.
const FAR = {inf: Infinity, "-inf": -Infinity, nan: NaN};
const number = x => typeof x === "string" ? FAR[x] : x;

function floats(text) {
  const raw = atob(text), bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return new Float32Array(bytes.buffer);
}
function shown(x) {
  if (x === undefined) return "";
  if (!Number.isFinite(x)) return Number.isNaN(x) ? "nan" : x > 0 ? "∞" : "−∞";
  const near = Math.round(x), size = Math.abs(x);
  if (size < 1e15 && (x === near || (near && Math.abs(x - near) < 1e-13 * size)))
    return minus(String(near === 0 ? 0 : near));
  if (size < 0.5 * 10 ** -DECIMALS || size >= 1e8) {
    const [digits, power] = x.toExponential(2).split("e");
    return minus(`${digits} e${power.replace("+", "")}`);
  }
  const text = fixed(x);
  return minus(Number(text) === x ? text.replace(/\.?0+$/, "") : text);
}
function fixed(x) {
  const tie = x * 2 ** (DECIMALS + 1);  // only such numbers are halfway between two decimals
  if (!Number.isInteger(tie) || tie % 2 === 0) return x.toFixed(DECIMALS);
  const down = (Math.floor(Math.abs(x) * 10 ** DECIMALS) / 10 ** DECIMALS).toFixed(DECIMALS);
  const even = Number(down.at(-1)) % 2 === 0;
  return even ? (x < 0 ? "-" : "") + down : x.toFixed(DECIMALS);
}
const minus = text => text.replaceAll("-", "−");

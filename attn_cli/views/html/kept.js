// ---- the largest weights of each row, if no more is kept ----
function keptOf(name, place) {
  const kept = page.kept;
  if (place.key === undefined) return undefined;
  if (!takes(place) && name === page.main) return 0;
  if (name !== page.main && name !== kept.scores) return undefined;
  const k = kept.count, from = (place.lead * nQ + place.query) * k;
  for (let i = from; i < from + k; i++)
    if (keptArrays().keys[i] === place.key) return keptArrays()[name === page.main ? "weights" : "values"][i];
  return undefined;
}
let keptNow = null;
function keptArrays() {
  if (!keptNow) {
    const kept = page.kept;
    keptNow = {keys: floats(kept.keys), weights: floats(kept.weights), values: floats(kept.numbers)};
  }
  return keptNow;
}

function notKept(place) {
  const kept = page.kept;
  if (!takes(place) || valueOf(page.main, place) !== undefined) return "";
  const k = kept.count, from = (place.lead * nQ + place.query) * k;
  const least = keptArrays().weights[from + k - 1];
  const teens = k % 100 > 10 && k % 100 < 14;
  const ending = (!teens && { 1: "st", 2: "nd", 3: "rd" }[k % 10]) || "th";
  return `below ${shown(least)}, the ${k}${ending} largest of the row; only the ${k} largest are kept in this file`;
}


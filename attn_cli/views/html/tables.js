// ---- tables of steps that the page has numbers of, but no table ----
const SHADES = "ABCDEFGHIJKLMNOPQRSTUVWXYZefghjkl";
function share(step, x) {
  const [scale, low, high, signed] = page.scales[step];
  if (scale === "log") return Math.log(x / low) / Math.log(high / low);
  return signed ? (x / high + 1) / 2 : x / high;
}
function levelOf(step, x) {
  const level = 32 * Math.min(Math.max(share(step, x), 0), 1), down = Math.floor(level);
  return level - down === 0.5 ? down + down % 2 : Math.round(level);
}

// A table for a step that the page has numbers of, but no table.
function built(step, lead) {
  const rows = queries.map((_, query) => {
    const cells = keys.map((_, key) => {
      const place = {lead, query, key}, x = valueOf(step, place);
      if (codeOf(place) && !Number.isFinite(x)) return made("td", {class: "x"});
      const shade = Number.isNaN(x) ? "n" : page.scales[step][3] ? `d${levelOf(step, x)}` : SHADES[levelOf(step, x)];
      return made("td", {class: shade}, shown(x));
    });
    return made("tr", {}, made("th", {scope: "row"}, made("bdi", {}, plainQueries[query])), ...cells);
  });
  const heads = keys.map((_, key) => made("th", {scope: "col"}, made("bdi", {}, plainKeys[key])));
  const like = $("table", figures.get(`${page.main}/0`)), title = page.titles[lead];
  const table = made("table", {class: like ? like.className : "map", role: "grid",
    "aria-label": [step, title].filter(Boolean).join(", ")},
    made("thead", {}, made("tr", {}, made("td", {}), ...heads)), made("tbody", {}, ...rows));
  return made("figure", {}, made("figcaption", {}, [step, title].filter(Boolean).join(", ")), table);
}


// The numbers of a step as tables, once its part is opened.
const MOST = 1600;
for (const part of all("details[data-step]")) part.addEventListener("toggle", () => {
  const from = arrayOf(part.dataset.step);
  if (!from || from.data.length > MOST || $("table", part)) return;
  const wide = from.shape.at(-1), high = from.shape.length > 1 ? from.shape.at(-2) : 1;
  const heads = labelsOf(part.dataset.step, -1), rows = from.shape.length > 1 ? labelsOf(part.dataset.step, -2) : [""];
  for (let begin = 0; begin < from.data.length; begin += wide * high) {
    const title = from.axes.slice(0, -2).map((axis, i) =>
      `${axis} ${Math.floor(begin / from.strides[i]) % from.shape[i]}`).join(", ");
    const cells = row => Array.from({length: wide}, (_, i) =>
      made("td", {}, shown(from.data[begin + row * wide + i])));
    part.append(made("figure", {}, made("figcaption", {}, title), made("table", {class: "plain"},
      made("thead", {}, made("tr", {}, made("td", {}), ...heads.map(word => made("th", {}, made("bdi", {}, word))))),
      made("tbody", {}, ...rows.map((word, row) =>
        made("tr", {}, made(word ? "th" : "td", {}, made("bdi", {}, word)), ...cells(row)))))));
    scrolls.observe(part.lastChild);
  }
});
function labelsOf(step, axis) {
  const name = record.steps[step].axes.at(axis);
  if (name === "query") return plainQueries;
  if (name === "key") return plainKeys.slice(page.first[step] || 0);
  return Array.from({length: record.steps[step].shape.at(axis)}, (_, i) => String(i));
}

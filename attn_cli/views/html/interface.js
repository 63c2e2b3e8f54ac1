// ---- the page ----
const work = $(".work"), live = $(".live");
const state = {step: page.main, lead: 0, query: -1, key: -1, held: false};
const figures = new Map(all("figure[data-step]").map(each => [`${each.dataset.step}/${each.dataset.lead}`, each]));
const positionOf = query => page.rows ? page.rows[query] : query;

let view = null, home = null;
function show(step, lead) {
  const name = `${step}/${lead}`;
  if (!figures.has(name)) figures.set(name, built(step, lead));
  const figure = figures.get(name);
  if (!view || view.figure !== figure) {
    if (view) {
      if (home) home.replaceWith(view.figure);
      else view.figure.remove();
    }
    home = null;
    if (figure.parentNode) {
      home = made("p", {class: "pale"}, `${$("figcaption", figure).textContent}: on the stage above`);
      figure.replaceWith(home);
    }
    stage.replaceChildren(figure);
    view = $("table", figure) ? tableView(figure) : pictureView(figure, page.blocks[step], [plainQueries, plainKeys], positionOf);
  }
  for (const each of all(".legend")) each.hidden = each.dataset.step !== step;
  for (const each of all("nav a")) {
    if (each.dataset.step === step) {
      each.setAttribute("aria-current", "step");
      const line = $("nav"), here = each.parentNode;
      line.scrollLeft = here.offsetLeft + (here.offsetWidth - line.clientWidth) / 2;
    } else each.removeAttribute("aria-current");
  }
  for (const each of all(".heads button")) each.setAttribute("aria-pressed", String(Number(each.dataset.lead) === lead));
  for (const each of all(".controls input"))
    each.checked = each.value === (each.name === "step" ? step : String(lead));
  if (state.lead !== lead && $(".arcs")) drawArcs(lead);
  state.step = step;
  state.lead = lead;
}

// ---- the working ----
const title = {lead: words(), query: words(), queryAt: words(), key: words(), keyAt: words()};
$("h3", work).append(title.lead, made("bdi", {}, title.query), made("small", {}, title.queryAt), " → ",
  made("bdi", {}, title.key), made("small", {}, title.keyAt));
const list = $("dl", work);
const pool = [...recipes.keys(), ""].map(() => {
  const line = {label: words(), before: words(), result: words(), note: words()};
  line.dt = made("dt", {}, line.label);
  line.dd = made("dd", {}, line.before, made("b", {}, line.result), made("small", {}, line.note));
  list.append(line.dt, line.dd);
  return line;
});
function bars(section) {
  const box = $(".bars", section);
  const chart = {box, section, heading: words(), labels: words(), values: words()};
  $("h4", section).append(chart.heading);
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  chart.path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  svg.append(chart.path);
  chart.svg = svg;
  chart.at = made("i", {});
  box.append(made("p", {}, chart.labels), svg, made("p", {}, chart.values), chart.at);
  return chart;
}
const ofRow = bars($(".row", work)), ofHeads = bars($(".each", work));
const HIGH = 18;
function drawBars(chart, heading, rows, chosen) {
  put(chart.heading, heading);
  put(chart.labels, rows.map(([label]) => label).join("\n"));
  put(chart.values, rows.map(([, x]) => x === undefined ? "not kept" : shown(x)).join("\n"));
  const sizes = rows.map(([, x]) => Number.isFinite(x) ? Math.abs(x) : 0), most = Math.max(...sizes, 0) || 1;
  const path = sizes.map((x, i) => `M0 ${i * HIGH + 4}h${(100 * x / most).toFixed(2)}v10H0z`).join("");
  set(chart.path, "d", path);
  set(chart.svg, "viewBox", `0 0 100 ${rows.length * HIGH}`);
  set(chart.svg, "height", String(rows.length * HIGH));
  set(chart.at, "style", chosen < 0 ? "display:none" : `top:${chosen * HIGH}px`);
}

const SHOWN = 14, LARGEST = 12;
function rowBars(place) {
  const seen = rowOf(place).seen;
  const all = seen.map(key => [key, valueOf(page.main, {...place, key})]);
  const known = all.filter(([, x]) => x !== undefined);
  let some = known;
  if (seen.length > SHOWN) {
    const order = [...known].sort((a, b) => b[1] - a[1] || a[0] - b[0]);
    const kept = new Set(order.slice(0, LARGEST).map(([key]) => key));
    some = known.filter(([key]) => kept.has(key) || key === place.key);
  }
  const rows = some.map(([key, x]) => [keys[key], x]);
  const others = all.length - some.length;
  if (others) {
    const rest = known.length === all.length ? known.filter(each => !some.includes(each)).reduce((sum, [, x]) => sum + x, 0) : undefined;
    rows.push([others === 1 ? "1 other" : `${others} others`, rest]);
  }
  const sum = known.reduce((total, [, x]) => total + x, 0);
  let heading = `row of ${queries[place.query]}`;
  if (!seen.length) heading += ": sees no key";
  else if (known.length === all.length && sum > 0 && Number.isFinite(sum) && known.every(([, x]) => x >= 0)) {
    const entropy = known.reduce((h, [, x]) => x > 0 ? h - x / sum * Math.log2(x / sum) : h, 0);
    heading += `: entropy ${(entropy + 0).toFixed(2)} bit, ${(2 ** entropy).toFixed(1)} effective keys`;
  }
  drawBars(ofRow, heading, rows, some.findIndex(([key]) => key === place.key));
}
function headBars(place) {
  const several = page.leads.length > 1;
  ofHeads.section.hidden = !several;
  if (!several) return;
  const rows = page.leads.map((_, lead) => {
    const here = {...place, lead};
    return [page.titles[lead], valueOf(state.step, here)];
  });
  drawBars(ofHeads, `this cell in every head: ${state.step}`, rows, place.lead);
}

function draw() {
  const place = {lead: state.lead, query: state.query, key: state.key};
  const lead = page.titles[place.lead];
  put(title.lead, lead ? `${lead}: ` : "");
  put(title.query, plainQueries[place.query]);
  put(title.queryAt, ` (query ${positionOf(place.query)})`);
  put(title.key, plainKeys[place.key]);
  put(title.keyAt, ` (key ${place.key})`);
  const lines = linesOf(place), missing = page.kept && notKept(place);
  if (missing) lines.push({label: page.main, before: "", result: "", note: missing});
  pool.forEach((line, i) => {
    const said = lines[i];
    line.dt.hidden = line.dd.hidden = !said;
    if (!said) return;
    for (const part of ["label", "before", "result", "note"]) put(line[part], said[part]);
  });
  rowBars(place);
  headBars(place);
}

// ---- choosing ----
function choose(query, key) {
  if (query === state.query && key === state.key) return false;
  state.query = query;
  state.key = key;
  view.mark(query, key);
  draw();
  remember();
  return true;
}
function change(step, lead) {
  show(step, lead);
  view.mark(state.query, state.key);
  draw();
  remember();
}
function say() {
  const place = {lead: state.lead, query: state.query, key: state.key};
  const code = codeOf(place), x = valueOf(state.step, place);
  const value = code && !(x > -Infinity && x !== 0) ? `hidden by ${page.reasons[code]}` : x === undefined ? "not kept" : shown(x);
  live.textContent = `${plainQueries[state.query]} to ${plainKeys[state.key]}: ${value}`;
}

// The choice stands in the address: #weights/h0/q1/k3
function remember() {
  const lead = page.lead.map((axis, i) => `${axis[0]}${page.leads[state.lead][i]}/`).join("");
  addressed(`${state.step}/${lead}q${state.query}/k${state.key}`);
}
function recalled() {
  const [step, ...parts] = location.hash.slice(1).split("/");
  if (!page.pairs.includes(step)) return false;
  const numbers = Object.fromEntries(parts.map(part => [part[0], Number(part.slice(1))]));
  const lead = page.leads.findIndex(each => page.lead.every((axis, i) => each[i] === (numbers[axis[0]] ?? 0)));
  const {q = 0, k = 0} = numbers;
  if (lead < 0 || !(q >= 0 && q < nQ && k >= 0 && k < nK)) return false;
  [state.query, state.key] = [Math.floor(q), Math.floor(k)];
  change(step, lead);
  return true;
}
addEventListener("hashchange", recalled);

const placeAt = (...there) => view.place(...there);
const extent = () => [nQ, nK];
const headCount = () => page.leads.length;
const turn = lead => change(state.step, lead);
const follow = () => view.focus(state.query, state.key);
for (const each of all(".controls input"))
  each.addEventListener("change", () => each.name === "step" ? change(each.value, state.lead) : change(state.step, Number(each.value)));
for (const each of all(".heads button"))
  each.addEventListener("click", () => change(state.step, Number(each.dataset.lead)));
for (const each of all("nav a"))
  each.addEventListener("click", event => {
    if (each.dataset.step in page.scales) {
      event.preventDefault();
      change(each.dataset.step, state.lead);
      $(".stage").scrollIntoView({block: "nearest"});
    } else $(each.getAttribute("href")).open = true;
  });

// ---- the beginning: the choice of the address, else the largest weight ----
function largest() {
  if (page.kept) return [nQ - 1, Math.max(0, keptArrays().keys[(nQ - 1) * page.kept.count])];
  let best = [0, 0], most = -Infinity;
  const first = nQ * nK <= 1 << 16 ? 0 : nQ - 1;  // of many queries the last
  for (let query = first; query < nQ; query++) {
    if (rowOf({lead: 0, query}).seen.length < 2) continue;  // its weight says little
    for (let key = 0; key < nK; key++) {
      const place = {lead: 0, query, key}, x = takes(place) ? valueOf(page.main, place) : -Infinity;
      if (x > most) [most, best] = [x, [query, key]];
    }
  }
  return best;
}
if (!recalled()) {
  [state.query, state.key] = largest();
  show(page.main, 0);
  view.mark(state.query, state.key);
  draw();
}
root.dataset.ready = "";

// A, B and B - A of a step: the same cell is chosen in all three.
const record = JSON.parse($("#attn-record").textContent), page = record.page;
const DECIMALS = page.decimals;
const SIDES = ["here", "there", "apart"];
const work = $(".work"), live = $(".live");
const state = {step: page.main, lead: 0, query: 0, key: 0, held: false};
const trios = new Map(all(".trio").map(each => [`${each.dataset.step}/${each.dataset.lead}`, each]));
const lists = page.words.map(list => Array.isArray(list) ? list : Array.from({length: list}, (_, i) => String(i)));
const labelsOf = (of, axis) => lists[of.words[axis]];
const now = () => page.steps[state.step];
const extent = () => [0, 1].map(axis => labelsOf(now(), axis).length);
const headCount = () => now().leads.length;
const positionIn = (of, row) => of.rows ? of.rows[row] : row;

// ---- numbers ----
const arrays = new Map();
function arrayOf(name, side) {
  const id = `${name}/${side}`;
  if (!arrays.has(id)) {
    const {values, float32, kept} = page.steps[name];
    const packed = (float32 || kept || {})[side];
    arrays.set(id, values ? (values[side] || []).map(number) : floats(packed));
  }
  return arrays.get(id);
}
// A, B and B - A of a cell; if they are not kept, the smallest |B - A| of its row that is.
function cellOf(name, lead, row, column) {
  const of = page.steps[name], line = lead * labelsOf(of, 0).length + row;
  const found = at => {
    const [a, b, apart] = SIDES.map(side => arrayOf(name, side)[at]);
    return {a, b, apart: of.values ? a === b ? 0 : b - a : apart};
  };
  if (!of.kept) return found(line * labelsOf(of, 1).length + column);
  const {count} = of.kept, first = line * count, columns = arrayOf(name, "columns");
  for (let i = first; i < first + count; i++) if (columns[i] === column) return found(i);
  return {least: Math.abs(arrayOf(name, "apart")[first + count - 1])};
}
const grids = new Map();
function codeOf(name, side, lead, row, column) {
  const of = page.steps[name];
  if (!of.hidden || !of.hidden[side].length) return 0;
  const which = of.hidden[side].length > 1 ? lead : 0, id = `${name}/${side}/${which}`;
  const [rows, columns] = [0, 1].map(axis => labelsOf(of, axis).length);
  if (!grids.has(id)) {
    const codes = new Uint8Array(rows * columns);
    let end = 0;
    for (const [code, many] of of.hidden[side][which]) codes.fill(code, end, end += many);
    grids.set(id, codes);
  }
  return grids.get(id)[row * columns + column];
}

// ---- numbers as text: with as many digits as tell A from B ----
function near(x, apart, exact) {
  const size = Math.abs(apart);
  if (!Number.isFinite(x) || !size || !Number.isFinite(size) || size >= 10 ** -DECIMALS) return shown(x);
  const digits = Math.ceil(Math.log10(Math.max(Math.abs(x), size) / size)) + 2;
  return minus(x.toPrecision(Math.min(Math.max(digits, 2), exact ? 17 : 8)).replace(/e\+?/, " e"));
}
function inFloors(apart, floor) {
  const x = Math.abs(apart) / floor;
  if (!floor || Number.isNaN(x)) return "";
  return x < 1000 ? x.toFixed(1) : x === Infinity ? "∞" : minus(x.toExponential(1).replace(/e\+?/, " e"));
}
function textsOf(name, lead, row, column) {
  const of = page.steps[name], {a, b, apart, least} = cellOf(name, lead, row, column);
  const hidden = [0, 1].map(side => codeOf(name, side, lead, row, column));
  const why = code => of.reasons[code] ? `hidden: ${of.reasons[code]}` : "hidden";
  const [one, other] = [a, b].map((x, side) => hidden[side] ? why(hidden[side])
    : x === undefined ? "not kept" : near(x, apart, of.values));
  if (hidden[0] && hidden[1] || (hidden[0] || hidden[1]) && !Number.isFinite(apart)) return [one, other, "", ""];
  if (least !== undefined) return [one, other, `at most ${shown(least)} apart`, inFloors(least, of.floor) && `≤ ${inFloors(least, of.floor)}`];
  return [one, other, shown(apart), inFloors(apart, of.floor)];
}

// ---- batch entries and heads of a step, as near as they can be to those of another ----
const sizesOf = of => of.lead.map((_, i) => Math.max(...of.leads.map(lead => lead[i])) + 1);
const plain = axis => axis.replace("key ", "");
function leadIn(of, from, lead) {
  const part = {}, sizes = sizesOf(from), own = sizesOf(of);
  from.lead.forEach((axis, i) => { part[plain(axis)] = from.leads[lead][i] / sizes[i]; });
  const wanted = of.lead.map((axis, i) => Math.floor((part[plain(axis)] || 0) * own[i] + 1e-9));
  return Math.max(0, of.leads.findIndex(each => each.every((x, i) => x === wanted[i])));
}

// ---- the three maps ----
let views = [], home = null, trio = null;
function show(step, lead) {
  const found = trios.get(`${step}/${lead}`), of = page.steps[step];
  if (found !== trio) {
    if (trio) home.replaceWith(trio);
    home = made("p", {class: "pale"}, `${$(".of", found).textContent}: on the stage above`);
    found.replaceWith(home);
    stage.replaceChildren(found);
    trio = found;
    views = all("figure", found).map(figure => $("table", figure) ? tableView(figure)
      : pictureView(figure, of.block, [labelsOf(of, 0), labelsOf(of, 1)], row => positionIn(of, row), sideOf()));
    together(all(".view", found), all("input[type=range]", found));
  }
  for (const each of all("[data-legend]")) each.hidden = each.dataset.legend !== step;
  for (const each of all("a[data-step]")) {
    if (each.dataset.step === step) each.setAttribute("aria-current", "true");
    else each.removeAttribute("aria-current");
  }
  for (const each of all("input[name=step]")) each.checked = each.value === step;
  choices(of);
  for (const each of all("input[name=lead]")) each.checked = each.value === String(lead);
  state.step = step;
  state.lead = lead;
}
// The pixels of a picture without its labels, so that three fit beside each other if there is room.
function sideOf() {
  const wide = stage.clientWidth;
  return wide < 900 ? Math.min(wide - 100, 400) : wide / 3 - 120;
}
// Pictures that scroll and zoom as one.
function together(boxes, sliders) {
  if (!boxes.length || boxes[0].dataset.joined) return;
  boxes[0].dataset.joined = "true";
  for (const box of boxes) box.addEventListener("scroll", () => {
    for (const other of boxes) if (other !== box) {
      if (other.scrollLeft !== box.scrollLeft) other.scrollLeft = box.scrollLeft;
      if (other.scrollTop !== box.scrollTop) other.scrollTop = box.scrollTop;
    }
  });
  for (const slider of sliders) slider.addEventListener("input", () => {
    for (const other of sliders) if (other.value !== slider.value) {
      other.value = slider.value;
      other.dispatchEvent(new Event("input"));
    }
  });
}
let offered = null;
function choices(of) {
  const box = $("#leads");
  if (offered === of || !box) return;
  offered = of;
  box.hidden = of.leads.length < 2;
  box.replaceChildren(made("legend", {}, of.lead.filter((_, i) => sizesOf(of)[i] > 1).map(plain).join(" and ")), ...of.titles.map((title, at) => {
    const input = made("input", {type: "radio", name: "lead", value: String(at)});
    input.addEventListener("change", () => turn(at));
    return made("label", {class: "radio"}, input, made("span", {}, title.replace(/^(key )?head (?=\d+$)/, "")));
  }));
}

// ---- the chosen cell, in all steps that have it ----
const title = {lead: words(), down: words(), downAt: words(), across: words(), acrossAt: words()};
$("h3", work).append(title.lead, made("bdi", {}, title.down), made("small", {}, title.downAt), " → ",
  made("bdi", {}, title.across), made("small", {}, title.acrossAt));
const pool = Object.keys(page.steps).map(() => {
  const cells = [...SIDES, "floors", "step"].map(() => words());
  const row = made("tr", {}, made("th", {scope: "row"}, cells[4]), ...cells.slice(0, 4).map(text => made("td", {}, text)));
  $("tbody", work).append(row);
  return {row, cells};
});
function draw() {
  const of = now(), {query, key} = state, lead = of.titles[state.lead];
  put(title.lead, lead ? `${lead}: ` : "");
  put(title.down, labelsOf(of, 0)[query]);
  put(title.downAt, ` (${of.axes[0]} ${positionIn(of, query)})`);
  put(title.across, labelsOf(of, 1)[key]);
  put(title.acrossAt, of.axes[1] ? ` (${of.axes[1]} ${key})` : "");
  const names = Object.keys(page.steps).filter(name => {
    const other = page.steps[name];
    return name === state.step || (of.axes[1] === "key" && `${other.axes}` === `${of.axes}`);
  });
  pool.forEach(({row, cells}, i) => {
    const name = names[i];
    if (row.hidden === !!name) row.hidden = !name;
    if (!name) return;
    const other = page.steps[name];
    const texts = textsOf(name, leadIn(other, of, state.lead), query, key);
    [...texts, name].forEach((text, at) => put(cells[at], text));
    set(row, "class", name === state.step ? "now" : "");
  });
}

// ---- choosing ----
function choose(query, key) {
  if (query === state.query && key === state.key) return;
  state.query = query;
  state.key = key;
  for (const view of views) view.mark(query, key);
  draw();
  remember();
}
function change(step, lead, query = state.query, key = state.key) {
  show(step, lead);
  const [rows, columns] = extent();
  state.query = limited(query, rows);
  state.key = limited(key, columns);
  for (const view of views) view.mark(state.query, state.key);
  draw();
  remember();
}
function turn(lead) {
  change(state.step, lead);
}
function placeAt(target, x, y) {
  const view = views.find(each => each.figure.contains(target));
  return view ? view.place(target, x, y) : null;
}
function follow(target) {
  (views.find(each => each.figure.contains(target)) || views[0]).focus(state.query, state.key);
}
function say() {
  const of = now(), [a, b, apart] = textsOf(state.step, state.lead, state.query, state.key);
  const [down, across] = [labelsOf(of, 0)[state.query], labelsOf(of, 1)[state.key]];
  const then = apart ? `, B − A ${apart}` : "";
  live.textContent = `${down} to ${across}: A ${a}, B ${b}${then}`;
}

// The choice stands in the address: #weights/h0/q1/k3
const letter = axis => plain(axis)[0];
function remember() {
  const of = now(), lead = of.lead.map((axis, i) => `${letter(axis)}${of.leads[state.lead][i]}/`).join("");
  const column = of.axes[1] ? `/${letter(of.axes[1])}${state.key}` : "";
  addressed(`${state.step}/${lead}${of.axes[0][0]}${positionIn(of, state.query)}${column}`);
}
// `given` has places along axes, by their first letters.
function chosen(step, given) {
  const of = page.steps[step], place = axis => given[letter(axis)];
  let lead = leadIn(of, now(), state.lead);
  if (of.lead.some(axis => place(axis) !== undefined))
    lead = of.leads.findIndex(each => of.lead.every((axis, i) => each[i] === (place(axis) || 0)));
  const row = given[of.axes[0][0]], key = of.axes[1] ? place(of.axes[1]) : 0;
  const query = row === undefined || !of.rows ? row : of.rows.indexOf(row);
  const fits = (x, axis) => x === undefined || (Number.isInteger(x) && x >= 0 && x < labelsOf(of, axis).length);
  if (lead < 0 || !fits(query, 0) || !fits(key, 1)) return false;
  change(step, lead, query, key);
  return true;
}
function recalled() {
  const [step, ...parts] = location.hash.slice(1).split("/");
  if (!Object.hasOwn(page.steps, step)) return false;
  return chosen(step, Object.fromEntries(parts.map(part => [part[0], Number(part.slice(1))])));
}
addEventListener("hashchange", recalled);
for (const each of all("input[name=step]"))
  each.addEventListener("change", () => change(each.value, leadIn(page.steps[each.value], now(), state.lead)));
for (const each of all(".stages a")) each.addEventListener("click", () => stage.scrollIntoView({block: "nearest"}));

// ---- the beginning: the choice of the address, else the worst cell ----
function worst() {
  const {worst: cell} = record.steps.find(each => each.step === page.main) || {};
  const place = Object.entries(cell ? cell.place : {}).map(([axis, at]) => [letter(axis), at]);
  return chosen(page.main, Object.fromEntries(place));
}
if (!recalled() && !worst()) change(page.main, 0, 0, 0);
root.dataset.ready = "";

// The record, and how each number of a cell comes about.
const record = JSON.parse($("#attn-record").textContent);
const page = {lead: [], leads: [], blocks: {}, hidden: [], taking: [], reasons: [], first: {}, parts: {}, ...record.page};
if (!page.pairs) return;
// Words as they are printed, and with the position of those that occur twice.
const [plainQueries, plainKeys] = page.words || [record.tokens.query, record.tokens.key];
const placed = list => {
  const count = {};
  for (const word of list) count[`:${word}`] = (count[`:${word}`] || 0) + 1;
  return list.map((word, i) => count[`:${word}`] > 1 ? `${word} (${i})` : word);
};
const queries = placed(plainQueries), keys = placed(plainKeys);
const nQ = queries.length, nK = keys.length;

// ---- numbers of steps and parts ----
const arrays = new Map();
function arrayOf(name) {
  if (arrays.has(name)) return arrays.get(name);
  const found = page.parts[name] || record.steps[name];
  let made = null;
  if (found && (found.values !== undefined || found.float32 !== undefined)) {
    const data = found.float32 !== undefined ? floats(found.float32)
      : Array.isArray(found.values) ? found.values.flat(Infinity).map(number) : [number(found.values)];
    const strides = [];
    let size = 1;
    for (let i = found.axes.length - 1; i >= 0; i--) {
      strides[i] = size;
      size *= found.shape[i];
    }
    made = {axes: found.axes, shape: found.shape, strides, data, first: page.first[name] || 0};
  }
  arrays.set(name, made);
  return made;
}

function placeOn(axis, place) {
  if (axis === "lead") return place.lead;
  const at = page.lead.indexOf(axis);
  if (at >= 0) return page.leads[place.lead][at];
  if (axis === "key head") return record.settings.key_heads[page.leads[place.lead][page.lead.indexOf("head")]];
  return place[axis];
}

// A number of a step or part at a place; along an axis without a place, all of them.
function at(name, place) {
  const from = arrayOf(name);
  if (!from) return undefined;
  let offset = 0, free = [];
  for (let i = 0; i < from.axes.length; i++) {
    let where = placeOn(from.axes[i], place);
    if (where === undefined) { free.push(i); continue; }
    if (from.axes[i] === "key") where -= from.first;
    if (where < 0 || where >= from.shape[i]) return undefined;
    offset += where * from.strides[i];
  }
  if (!free.length) return from.data[offset];
  let offsets = [offset];
  for (const i of free)
    offsets = offsets.flatMap(o => Array.from({length: from.shape[i]}, (_, n) => o + n * from.strides[i]));
  const inner = free.length > 1 ? from.shape[free[1]] : 0;
  const flat = offsets.map(o => from.data[o]);
  if (!inner) return flat;
  return Array.from({length: from.shape[free[0]]}, (_, n) => flat.slice(n * inner, (n + 1) * inner));
}

// ---- which keys are hidden, and which take part ----
function expanded(runs) {
  const codes = new Uint8Array(nQ * nK);
  let end = 0;
  for (const [code, count] of runs) codes.fill(code, end, end += count);
  return codes;
}
const grids = new Map();
function grid(name, lead) {
  const runs = page[name];
  if (!runs.length) return null;
  const which = runs.length > 1 ? lead : 0;
  if (!grids.has(name + which)) grids.set(name + which, expanded(runs[which]));
  return grids.get(name + which);
}
function codeOf(place) {
  const codes = grid("hidden", place.lead);
  return codes ? codes[place.query * nK + place.key] : 0;
}
function takes(place) {
  const taking = grid("taking", place.lead);
  return taking ? taking[place.query * nK + place.key] === 1 : codeOf(place) === 0;
}
let rowNow = null;
function rowOf(place) {
  if (rowNow && rowNow.lead === place.lead && rowNow.query === place.query) return rowNow;
  const seen = [];
  for (let key = 0; key < nK; key++) if (takes({lead: place.lead, query: place.query, key})) seen.push(key);
  rowNow = {lead: place.lead, query: place.query, seen};
  return rowNow;
}
function takenKeys(place) {
  const empty = page.working && page.working.empty;
  const kind = empty ? at(empty, place) : 0;
  if (!kind) return rowOf(place).seen;
  return kind === page.working.zero ? [] : Array.from(keys.keys());
}

// ---- arithmetic: patterns with named slots ----
const FUNCTIONS = {
  exp: Math.exp, log: Math.log, sqrt: Math.sqrt, tanh: Math.tanh, cos: Math.cos, sin: Math.sin,
  max: Math.max, sigmoid: x => 1 / (1 + Math.exp(-x)),
};
const SIGNS = {
  "+": (a, b) => a + b, "-": (a, b) => a - b, "*": (a, b) => a * b, "/": (a, b) => a / b,
  "^": (a, b) => a ** b,
};
const namesIn = pattern => [...pattern.matchAll(/<(\w+)\??>/g)].map(found => found[1]);

function present(pattern, has) {
  for (;;) {
    const shorter = pattern.replace(/\[([^[\]]*)\]/g, (_, part) =>
      namesIn(part).every(has) ? part.replace(/<\w+\?>/g, "") : "");
    if (shorter === pattern) return pattern;
    pattern = shorter;
  }
}

const trees = new Map();
function parse(pattern) {
  if (trees.has(pattern)) return trees.get(pattern);
  const tokens = pattern.match(/<\w+>|[a-z_]+|[0-9.]+|[-+*/^(),]/g);
  const joined = (signs, part) => () => {
    let tree = part();
    while (tokens.length && signs.includes(tokens[0])) tree = [tokens.shift(), tree, part()];
    return tree;
  };
  const atom = () => {
    const token = tokens.shift();
    if (token === "(") {
      const inside = sum();
      tokens.shift();
      return ["()", inside];
    }
    if (token[0] === "<") return ["slot", token.slice(1, -1)];
    if (/\d/.test(token[0])) return ["number", token];
    tokens.shift();
    const parts = [sum()];
    while (tokens.shift() === ",") parts.push(sum());
    return ["call", token, ...parts];
  };
  const signed = () => {
    if (tokens[0] === "-") {
      tokens.shift();
      return ["-", signed()];
    }
    const base = atom();
    if (tokens[0] !== "^") return base;
    tokens.shift();
    return ["^", base, atom()];
  };
  const product = joined("*/", signed), sum = joined("+-", product);
  const tree = sum();
  trees.set(pattern, tree);
  return tree;
}

function evaluate([kind, ...parts], slot) {
  if (kind === "slot") return slot(parts[0]);
  if (kind === "number") return Number(parts[0]);
  if (kind === "()") return evaluate(parts[0], slot);
  if (kind === "call") return FUNCTIONS[parts[0]](...parts.slice(1).map(each => evaluate(each, slot)));
  const values = parts.map(each => evaluate(each, slot));
  return values.length === 1 ? -values[0] : SIGNS[kind](...values);
}

// ---- recipes: the facts and the slots of a line at a place ----
const recipes = new Map((page.working ? page.working.recipes : []).map(each =>
  [each.step, {facts: {}, slots: {}, needs: {}, ...each}]));

function cellOf(recipe, place) {
  return {recipe, place, slots: new Map(), facts: new Map()};
}
function fact(name, cell) {
  if (!cell.facts.has(name)) cell.facts.set(name, holds(cell.recipe.facts[name], cell));
  return cell.facts.get(name);
}
function holds([kind, a, b], cell) {
  if (kind === "hidden") return codeOf(cell.place) !== 0;
  if (kind === "unseen") return !takes(cell.place);
  if (kind === "coded") return at(a, cell.place) === b;
  if (kind === "not") return !fact(a, cell);
  const left = source(a, cell);
  return Number.isFinite(left) && left > source(b, cell);
}
function slot(name, cell) {
  if (!cell.slots.has(name)) {
    const needs = cell.recipe.needs[name];
    const there = name in cell.recipe.slots && (!needs || fact(needs, cell));
    cell.slots.set(name, there ? source(cell.recipe.slots[name], cell) : undefined);
  }
  return cell.slots.get(name);
}
const whole = list => list.includes(undefined) ? undefined : list;

function source(from, cell) {
  if (!Array.isArray(from)) return number(from);
  const [kind, a, b] = from, place = cell.place;
  if (kind === "at") return valueOf(a, place);
  if (kind === "seen") return whole(rowOf(place).seen.map(key => valueOf(a, {...place, key})));
  if (kind === "taken") return whole(takenKeys(place).map(key => valueOf(a, {...place, key})));
  if (kind === "values") return whole(takenKeys(place).map(key => at(a, {...place, key})));
  if (kind === "calc") return calculated(a, cell);
  if (kind === "count") return rowOf(place).seen.length;
  if (kind === "either") return source(a, cell) ?? source(b, cell);
  const parts = from.slice(1).map(each => Array.isArray(each) ? source(each, cell) : each);
  if (parts.includes(undefined)) return undefined;
  const first = parts[0];
  if (kind === "concat") return parts.flat();
  if (kind === "repeat") return first.flatMap(x => Array(b).fill(x));
  if (kind === "tile") return Array(b).fill(first).flat();
  if (kind === "apply") return first.map(row => row.reduce((sum, w, i) => sum + w * parts[1][i], 0));
  if (kind === "sum") return first.reduce((sum, x) => sum + x, 0);
  if (kind === "many") return first.length;
  if (kind === "above0") return first.filter((_, i) => parts[1][i] > 0);
  const least = Array.isArray(b) ? parts[1] : number(b);  // "max"
  const most = Math.max(...first, least);
  return most === -Infinity ? 0 : most;
}
function calculated(pattern, cell) {
  const names = [...new Set(namesIn(pattern))];
  const has = name => slot(name, cell) !== undefined;
  const tree = parse(present(pattern, has));
  const used = namesIn(present(pattern, has));
  if (!used.every(has)) return undefined;
  const vector = names.filter(has).map(name => slot(name, cell)).find(Array.isArray);
  const one = i => evaluate(tree, name => {
    const x = slot(name, cell);
    return Array.isArray(x) ? x[i] : x;
  });
  return vector ? vector.map((_, i) => one(i)) : one(0);
}

// The value of a step at a place: as it was kept, else worked out.
function valueOf(name, place) {
  if (arrayOf(name)) return at(name, place);
  const kept = page.kept && keptOf(name, place);
  if (kept !== undefined && page.kept) return kept;
  const recipe = recipes.get(name);
  return recipe ? lineOf(recipe, place).result : undefined;
}
// ---- one line ----
const MANY = 8, FEW = 4;
function lineOf(recipe, place) {
  const cell = cellOf(recipe, place);
  const reason = place.key === undefined || place.query === undefined ? 0 : codeOf(place);
  let row = recipe.rows.find(each => (each.when || []).every(name => fact(name, cell)))
    || {label: recipe.step};
  const has = name => slot(name, cell) !== undefined;
  const term = present(row.term || "", has), inner = present(row.inner || "", has);
  const numbers = present(row.numbers || "", has);
  const needed = namesIn(numbers + term + inner).filter(name => name !== "terms" && name !== "inner");
  const line = {row, cell, place, term, inner, numbers, note: row.note || "", count: 0, rest: null};
  if (numbers && !needed.every(has)) line.numbers = line.note = "";
  const stored = arrayOf(recipe.step) ? at(recipe.step, place)
    : page.kept ? keptOf(recipe.step, place) : undefined;
  line.result = stored;
  if (line.numbers && term) shorten(line, needed);
  if (stored === undefined && row.kind === "hidden") {
    line.result = recipe.fill === undefined ? undefined : number(recipe.fill);
  } else if (stored === undefined && !line.numbers) {
    line.result = recipe.same ? valueOf(recipe.same, place) : undefined;
  } else if (line.numbers) {
    const worked = total(line);
    if (stored === undefined) line.result = worked;
    else if (!close(worked, stored, line, needed))
      Object.assign(line, {numbers: "", note: "", symbols: recipe.formula});
  }
  if (reason && line.result === -Infinity) Object.assign(line, {numbers: "", note: "hidden by: <reason>"});
  return line;
}
function shorten(line, needed) {
  const arrays = needed.map(name => slot(name, line.cell)).filter(Array.isArray);
  const length = arrays.length ? arrays[0].length : 0;
  line.kept = Array.from({length}, (_, i) => i);
  if (length <= MANY) return;
  const terms = line.kept.map(i => termValue(line, i));
  const size = x => Number.isNaN(x) ? Infinity : Math.abs(x);
  const kept = [...line.kept].sort((a, b) => size(terms[b]) - size(terms[a]) || a - b).slice(0, FEW);
  const left = line.kept.filter(i => !kept.includes(i));
  line.rest = [left.length, left.reduce((sum, i) => sum + terms[i], 0)];
  line.kept = kept.sort((a, b) => a - b);
}
function termValue(line, i) {
  return evaluate(parse(line.term), name => name === "inner" ? innerValue(line, i) : component(line, name, i));
}
function component(line, name, i) {
  const x = slot(name, line.cell);
  return Array.isArray(x) ? x[i] : x;
}
const matrixRow = (x, i) => Array.isArray(x[0]) ? x[i] : x;
function innerSlots(line, i) {
  const rows = Object.fromEntries(namesIn(line.inner).map(name => [name, matrixRow(slot(name, line.cell), i)]));
  const count = Math.max(...Object.values(rows).map(row => row.length));
  return {rows, count};
}
function innerValue(line, i) {
  const {rows, count} = innerSlots(line, i);
  let sum = 0;
  for (let m = 0; m < count; m++) sum += evaluate(parse(line.inner), name => rows[name][m]);
  return sum;
}
function total(line) {
  return evaluate(parse(line.numbers), name => {
    if (name !== "terms") return slot(name, line.cell);
    return line.kept.reduce((sum, i) => sum + termValue(line, i), line.rest ? line.rest[1] : 0);
  });
}
function close(worked, stored, line, needed) {
  if (Object.is(worked, stored) || worked === stored) return true;
  const sizes = needed.flatMap(name => slot(name, line.cell)).flat().map(Math.abs);
  const largest = sizes.reduce((most, x) => x > most ? x : most, 0);
  const least = Math.min(page.near * largest, page.near * (1000 * Math.abs(stored) + 1));
  return Math.abs(worked - stored) <= least;
}

// ---- text ----
const DECIMALS = page.decimals;
const guarded = text => text.startsWith("−") ? `(${text})` : text;
const plus = (left, right) => right.startsWith("−") ? `${left} − ${right.slice(1)}` : `${left} + ${right}`;

function written([kind, ...parts], text) {
  if (kind === "slot") return text(parts[0]);
  if (kind === "number") return parts[0];
  if (kind === "()") return `(${written(parts[0], text)})`;
  if (kind === "call") {
    const inside = parts.slice(1).map(each => written(each, text));
    if (parts[0] === "sqrt") return /^[\d.]+$/.test(inside[0]) ? `√${inside[0]}` : `√(${inside[0]})`;
    return `${parts[0]}(${inside.join(", ")})`;
  }
  const [left, right] = parts.map(each => written(each, text));
  if (right === undefined) return `−${guarded(left)}`;
  if (kind === "+") return plus(left, right);
  if (kind === "-") return right.startsWith("−") ? `${left} + ${right.slice(1)}` : `${left} − ${right}`;
  if (kind === "*") return `${left}·${guarded(right)}`;
  if (kind === "/") return `${left} / ${guarded(right)}`;
  return /^[\w.]+$|\)$/.test(left) ? `${left}^${right}` : `(${left})^${right}`;
}
const summed = terms => terms.length ? terms.reduce(plus) : "0";
function textOf(line, pattern) {
  return written(parse(pattern), name => {
    if (name !== "terms") return shown(slot(name, line.cell));
    const terms = line.kept.map(i => written(parse(line.term), each => {
      if (each !== "inner") return shown(component(line, each, i));
      const {rows, count} = innerSlots(line, i);
      return summed(Array.from({length: count}, (_, m) =>
        written(parse(line.inner), one => shown(rows[one][m]))));
    }));
    return summed(line.rest ? [...terms, shown(line.rest[1])] : terms);
  });
}
function filled(pattern, line) {
  const has = name => slot(name, line.cell) !== undefined;
  return present(pattern, has).replace(/<(\w+)>/g, (all, name) => {
    if (name === "query") return queries[line.place.query];
    if (name === "key") return keys[line.place.key];
    if (name === "reason") return page.reasons[codeOf(line.place)];
    const x = slot(name, line.cell);
    return x === undefined ? all : shown(x);
  });
}
const vector = values => {
  const some = values.length > MANY ? [...values.slice(0, 6).map(shown), `… ${values.length - 6} more`]
    : values.map(shown);
  return `[${some.join(", ")}]`;
};

// What a line says: label, arithmetic, result, note.
function said(recipe, line) {
  const symbols = line.symbols || (line.row.symbols ? filled(line.row.symbols, line) : "");
  let sum = line.numbers ? textOf(line, line.numbers) : "";
  const result = Array.isArray(line.result) ? vector(line.result) : shown(line.result);
  if (sum === result) sum = "";
  if (sum && line.row.then) {
    const has = name => slot(name, line.cell) !== undefined;
    const then = present(`[${line.row.then}]`, has);
    if (then) sum += ` = ${textOf(line, then)}`;
  }
  const notes = line.note ? [filled(line.note, line)] : [];
  if (line.rest) notes.push(`${shown(line.rest[1])}: ${line.rest[0]} smaller terms`);
  const dotted = symbols.replaceAll(".", "·");
  const before = dotted && sum ? `${dotted} = ${sum} = ` : sum ? `${sum} = ` : dotted ? `${dotted}: ` : "";
  return {label: filled(line.row.label || recipe.step, line), before: result ? before : "", result, note: notes.join("; ")};
}

// The lines of a cell, in the order of the steps.
function linesOf(place) {
  const found = [];
  for (const recipe of recipes.values()) {
    if (recipe.axes[0] === "token") continue;
    const here = {lead: place.lead};
    for (const axis of recipe.axes) here[axis] = place[axis];
    if (recipe.depth && recipe.axes[0] === "query" && recipe.depth <= MANY && recipe.rows.some(r => r.term)) {
      const parts = Array.from({length: recipe.depth}, (_, n) => said(recipe, lineOf(recipe, {...here, dimension: n})));
      if (parts.every(each => each.result))
        found.push({step: recipe.step, label: parts[0].label, result: "",
          note: parts[0].note.replace(/^[^:]*(?=: \d+ smaller)/, "last"),
          before: parts.map(each => each.before + each.result).join("\n")});
      continue;
    }
    if (recipe.depth) {  // a vector
      const values = at(recipe.step, here), row = recipe.rows[0];
      if (values) found.push({step: recipe.step, before: "", result: vector(values), note: "",
        label: filled(row.label || recipe.step, {place: here, cell: cellOf(recipe, here)})});
      continue;
    }
    const line = said(recipe, lineOf(recipe, here));
    if (line.result || line.note) found.push({step: recipe.step, ...line});
  }
  return found;
}

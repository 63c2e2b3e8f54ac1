// ---- choosing a cell: by pointer, touch and keys; a click holds it, Esc lets it go ----
const limited = (x, n) => Math.min(Math.max(x, 0), n - 1);
const MOVES = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1],
  Home: [0, -Infinity], End: [0, Infinity]};

// The script of a page has `state` and these functions: placeAt(target, x, y), the row and column under the
// pointer; choose(row, column); extent(), the numbers of rows and columns; headCount(); turn(lead);
// follow(target), which focuses the chosen cell; say().
const stage = $("#stage");
let waiting = null;
stage.addEventListener("pointermove", event => {
  if (state.held || event.pointerType === "touch") return;
  const target = event.target, x = event.clientX, y = event.clientY;
  if (!waiting) requestAnimationFrame(() => {
    const place = placeAt(...waiting);
    waiting = null;
    if (place && !state.held) choose(...place);
  });
  waiting = [target, x, y];
});
stage.addEventListener("click", event => {
  const place = placeAt(event.target, event.clientX, event.clientY);
  if (!place) return;
  const same = state.held && place[0] === state.query && place[1] === state.key;
  state.held = !same;
  choose(...place);
});
addEventListener("keydown", event => {
  if (event.key === "Escape") state.held = false;
  if (event.ctrlKey || event.metaKey || event.altKey || !stage.contains(event.target)) return;
  if (event.target.tagName === "INPUT") return;
  if (event.key in MOVES) {
    const [down, across] = MOVES[event.key].map(x => x * (event.shiftKey ? 10 : 1));
    const [rows, columns] = extent();
    choose(limited(state.query + down, rows), limited(state.key + across, columns));
    follow(event.target);
  } else if (event.key === "Enter" || event.key === " ") state.held = !state.held;
  else if ("[]".includes(event.key) && headCount() > 1) {
    turn((state.lead + (event.key === "]" ? 1 : headCount() - 1)) % headCount());
    follow(event.target);
  } else return;
  event.preventDefault();
  say();
});

// The choice stands in the address, once it has been there for a moment.
let timer = 0;
function addressed(choice) {
  clearTimeout(timer);
  timer = setTimeout(() => history.replaceState(null, "", `#${choice}`), 200);
}

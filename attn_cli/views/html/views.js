// ---- elements, and a table of which a cell is chosen ----
function made(name, attributes, ...inside) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...inside);
  return node;
}
// Text that is changed often: one node, which is written only if it changes.
const words = () => document.createTextNode("");
const put = (node, text) => { if (node.data !== text) node.data = text; };
const set = (node, name, value) => { if (node.getAttribute(name) !== value) node.setAttribute(name, value); };

function tableView(figure) {
  const table = $("table", figure);
  const cell = (query, key) => table.tBodies[0].rows[query].cells[key + 1];
  let marked = [];
  return {
    figure,
    place(target) {
      const td = target.closest("tbody td");
      return td && table.contains(td) ? [td.parentNode.rowIndex - 1, td.cellIndex - 1] : null;
    },
    mark(query, key) {
      for (const each of marked) each.classList.remove("on");
      if (marked.length) marked[0].tabIndex = -1;
      marked = [cell(query, key), table.tBodies[0].rows[query].cells[0], table.tHead.rows[0].cells[key + 1]];
      for (const each of marked) each.classList.add("on");
      marked[0].tabIndex = 0;
    },
    focus(query, key) {
      const chosen = cell(query, key);
      chosen.focus({preventScroll: true});
      chosen.scrollIntoView({block: "nearest", inline: "nearest"});
    },
  };
}

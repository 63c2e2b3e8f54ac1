// What every page has: the button of light and dark, and parts that open for printing.
const $ = (query, at = document) => at.querySelector(query);
const all = (query, at = document) => [...at.querySelectorAll(query)];
const root = document.documentElement;
root.classList.add("js");

// The button of light and dark: the system's choice until it is pressed.
const dark = matchMedia("(prefers-color-scheme: dark)");
$("#theme").addEventListener("click", () => {
  const now = root.dataset.theme || (dark.matches ? "dark" : "light");
  root.dataset.theme = now === "dark" ? "light" : "dark";
});

// Parts that scroll can be reached by keys, while they do.
const scrolls = new ResizeObserver(found => {
  for (const {target} of found) {
    if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
    else target.removeAttribute("tabindex");
  }
});
for (const each of all("figure, pre")) scrolls.observe(each);

// Before printing all is opened, and afterwards what was closed is closed again.
let closed = [];
addEventListener("beforeprint", () => {
  closed = all("details:not([open])");
  for (const each of closed) each.open = true;
});
addEventListener("afterprint", () => {
  for (const each of closed) each.open = false;
});

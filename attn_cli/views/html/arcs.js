// ---- lines between tokens ----
function drawArcs(lead) {
  const svg = $(".arcs");
  const left = svg.dataset.left;
  const most = Math.max(1, page.scales[page.main][2]), found = [];
  for (let query = 0; query < nQ; query++)
    for (let key = 0; key < nK; key++) {
      const x = takes({lead, query, key}) ? valueOf(page.main, {lead, query, key}) : 0, size = Math.abs(x) / most;
      if (!(size >= 0.01 && size <= 1)) continue;
      const path = document.createElementNS("http://www.w3.org/2000/svg", "path"), y = query * 24 + 12, down = (key - query) * 24;
      for (const [name, value] of Object.entries({d: `M${left} ${y}c120 0 120 ${down} 240 ${down}`,
        "stroke-width": (12 * size).toPrecision(3)})) path.setAttribute(name, value);
      if (x < 0) path.setAttribute("stroke-dasharray", "6 3");
      found.push([size, path]);
    }
  $(".drawn", svg).replaceChildren(...found.sort((a, b) => a[0] - b[0]).map(([, path]) => path));
  const of = $(".of");
  if (of) of.textContent = page.titles[lead];
}


// ---- pictures: labels, zoom, an overview, and the row and column of the chosen cell ----
const LABEL = 11;  // pixels from label to label, at least
const BAR = 20;  // of a bar for scrolling, and borders
// `block` has the tokens of a cell, `labels` the words of rows and columns; `rowAt` is the position of a row.
function pictureView(figure, block, labels, rowAt, side = 640) {
  if (figure.view) return figure.view;
  const img = $("img", figure), hole = img.parentNode, [high, wide] = block || [1, 1];
  const [lines, heads] = labels, rows = lines.length, columns = heads.length;
  const named = (at, word) => word === String(at) ? word : `${at} ${word}`;
  const room = words => Math.min(180, Math.ceil(14 + 6.7 * words.reduce((most, word, i) => Math.max(most, named(i, word).length), 0)));
  const left = room(lines), top = room(heads);
  // Pixels of a cell: as many as there is room for, and a few cells may need scrolling.
  const cells = Math.max(Math.ceil(rows / high), Math.ceil(columns / wide)), free = (figure.clientWidth - left - BAR) / Math.ceil(columns / wide);
  const each = Math.max(1, Math.min(Math.round(side / cells), free < 3 ? Math.round(free) : Math.floor(free)));
  const across = made("div", {class: "across"}), down = made("div", {class: "down"});
  const bands = [made("div", {class: "band"}), made("div", {class: "band"})];
  const tags = [words(), words()], tagNodes = tags.map(tag => made("span", {class: "tag"}, tag));
  const sheet = made("div", {}), box = made("div", {class: "view", tabindex: "0", role: "group",
    "aria-label": `${img.alt}. Arrow keys choose a cell.`}, sheet);
  sheet.append(across, down, hole, ...bands);
  img.removeAttribute("style");
  $(".pixels", figure).replaceWith(box);
  const slider = made("input", {type: "range", min: "0", max: "5", step: "0.25", value: "0", "aria-label": "zoom"});
  const frame = made("i", {}), small = made("img", {src: img.src, class: img.className, alt: ""});
  small.style.imageRendering = "auto";
  const over = made("span", {class: "over"}, small, frame);
  over.hidden = true;
  figure.append(made("div", {class: "zoom"}, "zoom", slider, over));
  let zoom = 1, chosen = [0, 0];
  const x = () => each * zoom / wide, y = () => each * zoom / high;  // pixels of a token

  const spot = (at, size, count) => Math.min((at + 0.5) * size - LABEL / 2, count * size - LABEL - 1);  // of a label
  function relabel() {
    const place = (strip, words, size, from, length, fit) => {
      const every = Math.max(1, Math.ceil(LABEL / size)), begin = Math.max(0, Math.floor(from / size / every) * every);
      const found = [];
      for (let i = begin; i < words.length && i * size < from + length; i += every) {
        const label = made("span", {}, named(positionIn(strip, i), words[i]));
        label.style[fit] = `${spot(i, size, words.length)}px`;
        found.push(label);
      }
      strip.replaceChildren(...found, strip === across ? tagNodes[1] : tagNodes[0]);
    };
    place(across, heads, x(), box.scrollLeft, box.clientWidth, "left");
    place(down, lines, y(), box.scrollTop, box.clientHeight, "top");
    const [w, h] = [box.clientWidth - left, box.clientHeight - top], [W, H] = [columns * x(), rows * y()];
    const at = (value, whole) => `${96 * Math.min(1, Math.max(0, value / whole))}px`;
    Object.assign(frame.style, {left: at(box.scrollLeft, W), top: at(box.scrollTop, H), width: at(w, W), height: at(h, H)});
  }
  const positionIn = (strip, i) => strip === down ? rowAt(i) : i;
  function resize() {
    const [W, H] = [columns * x(), rows * y()];
    Object.assign(sheet.style, {width: `${left + W}px`, height: `${top + H}px`, position: "relative"});
    Object.assign(hole.style, {left: `${left}px`, top: `${top}px`, width: `${W}px`, height: `${H}px`});
    Object.assign(across.style, {top: 0, height: `${top}px`, width: `${W}px`, marginLeft: `${left}px`});
    Object.assign(down.style, {left: 0, width: `${left}px`, height: `${H}px`});
    Object.assign(bands[0].style, {width: `${left + W}px`, height: `${Math.max(y(), 3)}px`});
    Object.assign(bands[1].style, {width: `${Math.max(x(), 3)}px`, height: `${top + H}px`});
    over.hidden = zoom === 1;
    relabel();
    mark(...chosen);
  }
  function mark(query, key) {
    chosen = [query, key];
    bands[0].style.transform = `translateY(${top + query * y()}px)`;
    bands[1].style.transform = `translateX(${left + key * x()}px)`;
    put(tags[0], named(rowAt(query), lines[query]));
    put(tags[1], named(key, heads[key]));
    tagNodes.forEach((tag, i) => {  // its neighbours give way
      const [at, size, count, fit] = i ? [key, x(), columns, "left"] : [query, y(), rows, "top"];
      const from = spot(at, size, count);
      tag.style[fit] = `${from}px`;
      for (const each of tag.parentNode.children)
        if (each !== tag) each.classList.toggle("away", Math.abs(parseFloat(each.style[fit]) - from) < LABEL);
    });
  }
  slider.addEventListener("input", () => {
    const before = zoom, w = box.clientWidth - left, h = box.clientHeight - top;
    const centre = [(box.scrollLeft + w / 2) / before, (box.scrollTop + h / 2) / before];
    zoom = 2 ** Number(slider.value);
    resize();
    box.scrollTo(centre[0] * zoom - w / 2, centre[1] * zoom - h / 2);
  });
  let asked = false;
  box.addEventListener("scroll", () => {
    if (!asked) requestAnimationFrame(() => { asked = false; relabel(); mark(...chosen); });
    asked = true;
  });
  figure.view = {
    figure,
    place(target, clientX, clientY) {
      if (target !== img) return null;
      const here = img.getBoundingClientRect();
      return [limited(Math.floor((clientY - here.top) / y()), rows), limited(Math.floor((clientX - here.left) / x()), columns)];
    },
    mark,
    focus(query, key) {
      box.focus({preventScroll: true});
      const [px, py] = [key * x(), query * y()], [w, h] = [box.clientWidth - left - 20, box.clientHeight - top - 20];
      if (px < box.scrollLeft || px > box.scrollLeft + w) box.scrollLeft = px - w / 2;
      if (py < box.scrollTop || py > box.scrollTop + h) box.scrollTop = py - h / 2;
    },
  };
  resize();
  return figure.view;
}

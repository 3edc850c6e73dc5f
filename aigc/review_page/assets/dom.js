// Elements made of nodes and text alone. Nothing here, or anywhere in this page, turns a text into markup.

const $ = (id) => document.getElementById(id);

/** An element. Names of attributes are ours; values and children may be anyone's: they stay text. */
function h(tag, given, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(given || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === 'function') element.addEventListener(name, value);
    else if (name === 'value') element.value = value;
    else element.setAttribute(name, value === true ? '' : value);
  }
  put(element, ...children);
  return element;
}

function put(element, ...children) {
  for (const child of children.flat(2)) {
    if (child !== undefined && child !== null && child !== false) element.append(child);
  }
  return element;
}

function refill(element, ...children) {
  element.replaceChildren();
  return put(element, ...children);
}

const ICONS = {
  approve: 'M3 8.5l3.2 3.2L13 4.5',
  edit: 'M10.5 3l2.5 2.5L6 12.5l-3.2.7.7-3.2zM9 4.5L11.5 7',
  reject: 'M4 4l8 8M12 4l-8 8',
  note: 'M3 3h10v7.5H8L5 13v-2.5H3z',
  undo: 'M6 3.5L3 6.5l3 3M3 6.5h6a3.5 3.5 0 010 7H6.5',
  before: 'M10 3L5 8l5 5',
  after: 'M6 3l5 5-5 5',
  columns: 'M2.5 3h11v10h-11zM8 3v10',
  help: 'M5.8 6.1a2.3 2.3 0 114.1 1.4C9 8.3 8 8.6 8 9.8M8 12.4v.1',
  auto: 'M8 2.5a5.5 5.5 0 100 11zM8 2.5a5.5 5.5 0 010 11',
  light: 'M8 5.2a2.8 2.8 0 100 5.6 2.8 2.8 0 000-5.6zM8 1.2v1.6M8 13.2v1.6M1.2 8h1.6M13.2 8h1.6M3.2 3.2l1.1 1.1'
    + 'M11.7 11.7l1.1 1.1M3.2 12.8l1.1-1.1M11.7 4.3l1.1-1.1',
  dark: 'M13 9.7A5.6 5.6 0 016.3 3 5.6 5.6 0 108 13.6a5.6 5.6 0 005-3.9z',
  draft: 'M4 2.5h5l3 3v8H4zM9 2.5v3h3M6 8.5h4M6 11h4',
  conflict: 'M3 5.5h8l-2-2M13 10.5H5l2 2',
  plus: 'M8 3.5v9M3.5 8h9',
};

/** A drawing beside words, or named by its button: silent to those who do not see it. */
function icon(name) {
  const space = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(space, 'svg');
  const path = document.createElementNS(space, 'path');
  svg.setAttribute('viewBox', '0 0 16 16');
  svg.setAttribute('class', `icon icon-${name}`);
  svg.setAttribute('aria-hidden', 'true');
  path.setAttribute('d', ICONS[name]);
  svg.append(path);
  return svg;
}

/** A button with its words and, where it has one, its key. */
function button(word, given, { drawing, key } = {}) {
  const hint = key && h('kbd', { 'aria-hidden': 'true' }, key);
  return h('button', { type: 'button', 'aria-keyshortcuts': key, ...given }, drawing && icon(drawing), h('span', null, word), hint);
}

/** A text of somebody else's inside a line of ours: its direction stays its own. */
const foreign = (text, given) => h('bdi', given, text);

/** Boxes that are scrolled. To ask a box, or to set one back that is at its top, would cost a whole layout. */
const scrolled = new Set();

function watchScroll(box) {
  box.addEventListener('scroll', () => (box.scrollTop > 0 ? scrolled.add(box) : scrolled.delete(box)), { passive: true });
}

function toTop(box) {
  if (scrolled.delete(box)) box.scrollTop = 0;
}

function after(wait_ms, action) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...given), wait_ms);
  };
}

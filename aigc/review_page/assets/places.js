// Places in texts: from characters, as records count them, to UTF-16 units, as this page does.

/** UTF-16 places of `places`, which count code points. What lies beyond the text is its end. */
function toUnits(text, places) {
  if (!/[\ud800-\udfff]/.test(text)) return places.map((place) => Math.max(0, Math.min(place, text.length)));
  const found = new Map();
  let point = 0;
  let unit = 0;
  for (const place of [...new Set(places)].sort((one, other) => one - other)) {
    while (point < place && unit < text.length) {
      unit += text.codePointAt(unit) > 0xffff ? 2 : 1;
      point += 1;
    }
    found.set(place, unit);
  }
  return places.map((place) => found.get(place));
}

/** What verdicts point at in a text: `{start, end, kind, at}`, `at` being the verdict's place in the list. */
function rangesOf(text, objections) {
  const flat = objections.flatMap((objection, at) => (objection.spans || []).map(([start, end]) => ({ start, end, at })));
  const units = toUnits(text, flat.flatMap(({ start, end }) => [start, end]));
  return flat
    .map(({ at }, i) => ({ start: units[2 * i], end: units[2 * i + 1], kind: objections[at].action, at }))
    .filter(({ start, end }) => start < end);
}

const MOST_HITS = 300;

/** Where the words that are searched for stand. */
function hitsIn(text, words) {
  const hits = [];
  for (const word of words) {
    const pattern = new RegExp(word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'), 'giu');
    for (const match of text.matchAll(pattern)) {
      if (hits.length >= MOST_HITS) return hits;
      if (match[0]) hits.push({ start: match.index, end: match.index + match[0].length, kind: 'hit' });
    }
  }
  return hits;
}

/** A text cut where ranges begin and end: `{start, end, ranges}`, in order and without gaps. */
function segments(length, ranges) {
  const cuts = new Set([0, length]);
  for (const { start, end } of ranges) cuts.add(Math.min(start, length)).add(Math.min(end, length));
  const places = [...cuts].sort((one, other) => one - other);
  const byStart = [...ranges].sort((one, other) => one.start - other.start);
  let next = 0;
  let open = [];
  const found = [];
  for (let i = 0; i + 1 < places.length; i += 1) {
    const [start, end] = [places[i], places[i + 1]];
    while (next < byStart.length && byStart[next].start <= start) open.push(byStart[next++]);
    open = open.filter((range) => range.end > start);
    found.push({ start, end, ranges: [...open] });
  }
  return found;
}

/** Every text of the fields, with where it stands in the text that was laid out from them, if it does. */
function leavesOf(fields, text) {
  const leaves = [];
  let from = 0;
  const add = (path, value) => {
    let start = value ? text.indexOf(value, from) : -1;
    if (start >= 0) from = start + value.length;
    else start = value ? text.indexOf(value) : -1;
    leaves.push({ path, value, start });
  };
  for (const [name, value] of fields) {
    if (typeof value === 'string') add(name, value);
    else value.forEach((entry, i) => {
      if (typeof entry === 'string') add(`${name}/${i}`, entry);
      else for (const [part, inner] of Object.entries(entry)) add(`${name}/${i}/${part}`, inner);
    });
  }
  return leaves;
}

/** The ranges of a text, moved to one of its leaves. */
function rangesIn(leaf, ranges) {
  if (leaf.start < 0) return [];
  const end = leaf.start + leaf.value.length;
  return ranges
    .filter((range) => range.start < end && range.end > leaf.start)
    .map((range) => ({
      ...range, start: Math.max(range.start - leaf.start, 0), end: Math.min(range.end - leaf.start, leaf.value.length),
    }));
}

// Texts as they are read: lines, marks on what filters point at, fields, and changes.

const MOST_CHARS = 60_000;
const STRENGTHS = ['reject', 'hold', 'retry', 'flag', 'not_run', 'hit'];

/** A text in its lines. `ranges` are marked; of a very long text the start is shown until all is asked for. */
function prose(text, ranges, tag, objections = []) {
  const box = h('div', { class: 'prose', lang: tag });
  if (text.length <= MOST_CHARS) return fill(box, text, ranges, objections);
  const end = MOST_CHARS - Number(/[\udc00-\udfff]/.test(text[MOST_CHARS]));
  fill(box, text.slice(0, end), ranges.filter((range) => range.start < end), objections);
  const more = button(t('show_all', { characters: text.length }), {
    class: 'plain more', click: () => fill(refill(box), text, ranges, objections),
  });
  return put(box, more);
}

function fill(box, text, ranges, objections) {
  let line = h('p', { dir: 'auto' });
  let isGap = false;
  const end = () => {
    if (line.hasChildNodes()) {
      if (isGap) line.className = 'gap';
      box.append(line);
      isGap = false;
    } else isGap = box.hasChildNodes();
    line = h('p', { dir: 'auto' });
  };
  for (const { start, end: to, ranges: over } of segments(text.length, ranges)) {
    text.slice(start, to).split('\n').forEach((part, i) => {
      if (i) end();
      if (part) line.append(over.length ? mark(part, over, objections) : part);
    });
  }
  end();
  return box;
}

function mark(text, ranges, objections) {
  const kind = STRENGTHS.find((name) => ranges.some((range) => range.kind === name)) || 'flag';
  const ats = [...new Set(ranges.filter((range) => range.at !== undefined).map((range) => range.at))];
  if (!ats.length) return h('mark', { class: 'hit' }, text);
  const title = ats.map((at) => [codeWords(objections[at].reason), objections[at].message].filter(Boolean).join(': ')).join('\n');
  const hit = ranges.some((range) => range.kind === 'hit') ? ' hit' : '';
  return h('mark', {
    class: `points ${kind}${hit}`, title, 'data-at': ats.join(' '), 'aria-describedby': ats.map((at) => `objection-${at}`).join(' '),
  }, text);
}

/** Fields with their names. `valueOf` draws one text of them, given its path. */
function fieldList(n, fields, valueOf) {
  return h('div', { class: 'fields' }, fields.map(([name, value]) => h('section', { class: 'field' },
    h('h3', { class: 'field-name', title: outputHelp(rows[n].type, name, rows[n].language) }, foreign(fieldName(name))),
    typeof value === 'string' ? valueOf(name, value) : entryList(name, value, valueOf))));
}

function entryList(name, entries, valueOf) {
  if (!entries.length) return h('p', { class: 'nothing' }, t('no_entries'));
  return h('ol', { class: entries.some((entry) => typeof entry !== 'string') ? 'entries parts' : 'entries' },
    entries.map((entry, i) => h('li', null, typeof entry === 'string'
      ? valueOf(`${name}/${i}`, entry)
      : partList(`${name}/${i}`, entry, valueOf))));
}

function partList(path, entry, valueOf) {
  const parts = Object.entries(entry).map(([part, text]) => [part, valueOf(`${path}/${part}`, text)]);
  if (isTurn(entry)) return h('dl', { class: 'turn' }, h('dt', null, parts[0][1]), h('dd', null, parts[1][1]));
  return h('dl', { class: 'entry' }, parts.map(([part, shownPart]) => [h('dt', null, foreign(fieldName(part))), h('dd', null, shownPart)]));
}

/** The fields of row `n`, marked where filters and the search point. */
function markedFields(n, fields) {
  const all = shown(n);
  const objections = all.objections || [];
  const ranges = rangesOf(all.text, objections);
  const leaves = new Map(leavesOf(fields, all.text).map((leaf) => [leaf.path, leaf]));
  return fieldList(n, fields, (path, value) => prose(value,
    [...rangesIn(leaves.get(path), ranges), ...hitsIn(value, searched)], rows[n].language, objections));
}

function markedText(n) {
  const all = shown(n);
  const objections = all.objections || [];
  return prose(all.text, [...rangesOf(all.text, objections), ...hitsIn(all.text, searched)], rows[n].language, objections);
}

/** A text that nothing points at: an edited one, or an earlier attempt. */
const plainText = (text, tag) => prose(text, hitsIn(text, searched), tag);
const plainFields = (n, fields) => fieldList(n, fields, (_, value) => plainText(value, rows[n].language));

const CHANGE = { del: 'del', ins: 'ins' };

/** What leads from one text to another. */
function changes(before, after, tag) {
  return h('div', { class: 'prose changes', lang: tag, dir: 'auto' }, diff(before, after).map(({ kind, text }) => (
    kind === 'same' ? text : h(CHANGE[kind], null, text))));
}

/** The changes of an edit, field by field; fields that did not change are quiet. */
function changesOf(n, { text: edited, fields }) {
  const tag = rows[n].language;
  if (!fields) return changes(shown(n).text, edited, tag);
  return h('div', { class: 'fields' }, fieldsOf(n).map(([name, value]) => {
    const [before, now] = [asLines(value), asLines(fields[name] ?? value)];
    return h('section', { class: before === now ? 'field unchanged' : 'field' },
      h('h3', { class: 'field-name' }, foreign(fieldName(name)), before === now && h('span', { class: 'aside' }, t('unchanged'))),
      before === now ? plainText(before, tag) : changes(before, now, tag));
  }));
}

function outputHelp(type, name, tag) {
  const help = about.help[type]?.output?.[name];
  if (!help || typeof help === 'string') return help;
  return help[language] || help[tag] || help.en;
}

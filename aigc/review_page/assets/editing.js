// An edit: a box for every text, what has changed below it, and the reason.

/** The draft that is open: `texts` by path, `fields` as they are in the boxes. */
let draft = null;

/** What the boxes held when they were opened, and whether that was a draft. */
let begun = { words: '', isDraft: false };

function openEditor() {
  if (!isDecidable(current)) return;
  const saved = drafts.get(current);
  draft = structuredClone(saved || freshDraft(current));
  begun = { words: wordsInBoxes(current), isDraft: Boolean(saved) };
  mode = 'edit';
  showReading();
  if (saved) say(t('draft_restored'));
  $('body').querySelector('textarea:not(.speaker textarea)')?.focus({ preventScroll: true });
  $('scroll').scrollTop = 0;
  bringText();
}

/** A draft with the words that stand: those of an edit, also of somebody else's, or the text as it was made. */
function freshDraft(n) {
  const edit = editToBeginWith(n);
  const own = decisionOn(n);
  const words = isStructured(n) && !edit?.text
    ? { fields: fieldsOf(n).map(([name, value]) => [name, edit?.fields?.[name] ?? value]) } : { text: edit?.text || shown(n).text };
  return { ...words, reason: (own?.action === 'edit' && own.reason) || '', note: noteOn(n) };
}

/** Somebody else's edit that the boxes begin with. */
const othersWords = (n) => (begun.isDraft || verbOn(n) === 'edit' ? null : editToBeginWith(n));

const wordsInBoxes = (n) => JSON.stringify([edited(n).text, edited(n).fields]);

function editorOf(n) {
  const boxes = draft.fields ? draft.fields.map(([name, value], i) => fieldBoxes(n, name, value, i)) : [textBox(n)];
  return h('form', { class: 'editor', submit: (event) => { event.preventDefault(); saveEdit(); } },
    othersWords(n) && h('p', { class: 'aside' }, t('begins_with', { names: namesOf([othersWords(n)]) })),
    h('p', { class: 'aside', id: 'edit-length', role: 'status' }, lengthWords(n)), boxes,
    h('div', { class: 'edit-why' },
      h('label', null, h('span', null, t('edit_reason')), reasonSelect(draft.reason, (reason) => change({ reason }))),
      h('label', { class: 'grow' }, h('span', null, t('note')), h('input', {
        type: 'text', value: draft.note, dir: 'auto', input: (event) => change({ note: event.target.value }),
      }))));
}

function textBox(n) {
  const before = shown(n).text;
  return h('section', { class: 'field' },
    area(n, { label: t('form_text'), before, value: draft.text, put: (text) => change({ text }) }));
}

function fieldBoxes(n, name, value, at) {
  const before = fieldsOf(n)[at][1];
  const set = (now) => {
    draft.fields[at] = [name, now];
    change({});
  };
  const help = outputHelp(rows[n].type, name, rows[n].language);
  const heading = [h('h3', { class: 'field-name' }, foreign(fieldName(name))), help && h('p', { class: 'aside' }, help)];
  if (typeof value === 'string') {
    return h('section', { class: 'field' }, heading, area(n, { label: fieldName(name), before, value, put: set }));
  }
  return h('section', { class: 'field' }, heading, entryBoxes(n, name, value, before, set));
}

/** Boxes for the entries of a list, which may be taken out and added. */
function entryBoxes(n, name, entries, before, set) {
  const box = h('div', { class: 'entry-boxes' });
  const changed = h('div', { class: 'box-changes' });
  const note = () => {
    set(entries);
    showChange(changed, asLines(before), asLines(entries), rows[n].language);
  };
  const redraw = (focusAt) => {
    refill(box, entries.map((entry, i) => entryBox(n, name, entries, i, note, redraw, add)),
      button(t('add_entry'), { class: 'plain', click: () => add(entries.length) }, { drawing: 'plus' }));
    note();
    fitAreas();
    if (focusAt !== undefined) (box.children[focusAt]?.querySelector('textarea:not(.speaker textarea)') || box.lastElementChild).focus();
  };
  const add = (at) => {
    entries.splice(at, 0, blankEntry(before, entries, at));
    redraw(at);
  };
  redraw();
  return [box, changed];
}

function entryBox(n, name, entries, i, note, redraw, add) {
  const label = `${fieldName(name)} ${i + 1}`;
  const parts = typeof entries[i] === 'string'
    ? area(n, { label, value: entries[i], put: (text) => { entries[i] = text; note(); } })
    : h('div', { class: isTurn(entries[i]) ? 'entry-parts turn' : 'entry-parts' }, Object.entries(entries[i]).map(([part, text], at) => h('label', { class: isTurn(entries[i]) && !at && 'speaker' },
      h('span', { class: 'aside part-name' }, foreign(fieldName(part))),
      area(n, { label: `${label}, ${fieldName(part)}`, value: text, put: (now) => {
        entries[i] = Object.fromEntries(Object.entries(entries[i]).map(([key, old]) => [key, key === part ? now : old]));
        note();
      } }))));
  const small = (word, drawing, click) => h('button', {
    type: 'button', class: 'quiet icon-only', 'aria-label': t(word, { entry: label }), title: t(word, { entry: label }), click,
  }, icon(drawing));
  return h('div', { class: 'entry-box' }, parts, h('div', { class: 'entry-tools' },
    small('remove_entry', 'reject', () => { entries.splice(i, 1); redraw(Math.min(i, entries.length - 1)); }),
    small('add_after', 'plus', () => add(i + 1))));
}

/** A new entry in the form of those that there are. Where two speak in turn, it is the other's turn. */
function blankEntry(before, entries, at) {
  if (!before.length || typeof before[0] === 'string') return '';
  const blank = Object.fromEntries(Object.keys(before[0]).map((part) => [part, '']));
  if (!isTurn(blank)) return blank;
  const [last, ...others] = [...entries.slice(0, at).reverse(), ...entries.slice(at)].map((entry) => entry.speaker);
  return { ...blank, speaker: others.find((speaker) => speaker !== last) ?? '' };
}

/** A box for one text. With `before`, what has changed is shown below it. */
function area(n, { label, before, value, put: set }) {
  const changed = before === undefined ? null : h('div', { class: 'box-changes' });
  const showIt = changed && after(250, (now) => showChange(changed, before, now, rows[n].language));
  const box = h('textarea', {
    'aria-label': label, lang: rows[n].language, dir: 'auto', spellcheck: 'true', rows: 1, value,
    input: (event) => {
      set(event.target.value);
      fitArea(event.target);
      showIt?.(event.target.value);
    },
  });
  if (changed) showChange(changed, before, value, rows[n].language);
  return h('div', { class: 'area' }, box, changed);
}

function showChange(box, before, now, tag) {
  const isSame = tidy(before) === tidy(now);
  refill(box, !isSame && [h('p', { class: 'aside' }, t('form_changes')), changes(before, now, tag)]);
}

const fitArea = (box) => {
  if (CSS.supports('field-sizing', 'content')) return;
  box.style.height = 'auto';
  box.style.height = `${box.scrollHeight + 2}px`;
};

function fitAreas() {
  for (const box of $('body').querySelectorAll('textarea')) fitArea(box);
}

/** A text as it is kept: without blanks around it, and with line ends of one kind. */
const tidy = (text) => text.replace(/\r\n?/g, '\n').trim();

function tidyValue(value) {
  if (typeof value === 'string') return tidy(value);
  const entries = value.map((entry) => (typeof entry === 'string' ? tidy(entry)
    : Object.fromEntries(Object.entries(entry).map(([part, text]) => [part, tidy(text)]))));
  return entries.filter((entry) => (typeof entry === 'string' ? entry : Object.values(entry).some(Boolean)));
}

const keepDraft = after(400, (n) => {
  if (draft && mode === 'edit' && n === current) saveDraft(n, structuredClone(draft));
});

function change(changed) {
  Object.assign(draft, changed);
  keepDraft(current);
  $('edit-length')?.replaceChildren(lengthWords(current));
}

const lengthWords = (n) => limitWords(n, lengthOf(n, draft));

/** What the boxes hold, against the text as it was made. */
function edited(n) {
  if (!draft.fields) return { text: tidy(draft.text), isSame: tidy(draft.text) === tidy(shown(n).text), isEmpty: !tidy(draft.text) };
  const fields = Object.fromEntries(draft.fields.map(([name, value]) => [name, tidyValue(value)]));
  const originals = fieldsOf(n).map(([name, value]) => [name, tidyValue(value)]);
  const emptied = originals.filter(([name, value]) => value.length && !fields[name].length).map(([name]) => name);
  return { fields, isSame: originals.every(([name, value]) => JSON.stringify(value) === JSON.stringify(fields[name])),
    isEmpty: emptied.length > 0, emptied };
}

function saveEdit() {
  const { text, fields, isSame, isEmpty, emptied } = edited(current);
  if (isEmpty) return say(emptied ? t('emptied', { fields: emptied.map(fieldName).join(', ') }) : t('emptied_text'), 'bad');
  if (isSame) return say(t(offeredOn(current).some(({ is }) => is.action === 'edit') ? 'no_change_original' : 'no_change'), 'bad');
  const { reason, note } = draft;
  const wish = offeredOn(current).find(({ is }) => wishOf(is) === wishOf({ action: 'edit', text, fields }));
  mode = 'read';
  draft = null;
  forgetDraft(current);
  return settle(current, 'edit', { text, fields, reason, note: tidy(note) }, wish ? { said: 'said_take', names: namesOf(wish.said) } : {});
}

/** Keep what the boxes hold as a draft, if it is more than they held at first. Tells whether there is one. */
function keepEdit() {
  const isAsBefore = wordsInBoxes(current) === begun.words;
  if (isAsBefore ? begun.isDraft : !(edited(current).isSame && !editToBeginWith(current))) saveDraft(current, structuredClone(draft));
  else forgetDraft(current);
  return drafts.has(current);
}

function leaveEdit() {
  if (mode !== 'edit') return;
  const hasChanged = keepEdit();
  mode = 'read';
  draft = null;
  repaintRow(current);
  showReading();
  if (hasChanged) say(t('draft_kept'));
  leftEdit();
}

function leftEdit() {
  $('list').focus({ preventScroll: true });
  bringText();
}

function discardDraft() {
  forgetDraft(current);
  mode = 'read';
  draft = null;
  repaintRow(current);
  showReading();
  leftEdit();
}

// The list: as many rows in the document as are on the screen, however many there are.

const ROW_REM = 4.9;
const BEYOND = 4;
const inView = new Map();
let rowHeight = 78;
let spacer = null;
/** Where the list is and how high, as it was at the last frame: to ask it amid changes would cost a whole layout. */
let [listTop, listHeight] = [0, 0];

function measureRows() {
  rowHeight = Math.round(ROW_REM * parseFloat(getComputedStyle(document.documentElement).fontSize));
  $('list').style.setProperty('--row', `${rowHeight}px`);
}

/** Show the rows of `found`, all of them anew. */
function showList() {
  inView.clear();
  spacer = h('div', { class: 'spacer', role: 'presentation' });
  spacer.style.height = `${found.length * rowHeight}px`;
  refill($('list'), found.length ? spacer : h('p', { class: 'nothing' }, t('nothing_found')));
  $('list').setAttribute('aria-label', t('list'));
  lookAtList();
}

function lookAtList() {
  [listTop, listHeight] = [$('list').scrollTop, $('list').clientHeight];
  paintList();
}

function scrollList(top) {
  listTop = Math.max(0, Math.min(top, found.length * rowHeight - listHeight));
  $('list').scrollTop = listTop;
}

function paintList() {
  if (!found.length) return;
  const first = Math.max(0, Math.floor(listTop / rowHeight) - BEYOND);
  const beyond = Math.min(found.length, Math.ceil((listTop + listHeight) / rowHeight) + BEYOND);
  for (const [place, row] of inView) {
    if (place < first || place >= beyond) {
      row.remove();
      inView.delete(place);
    }
  }
  for (let place = first; place < beyond; place += 1) {
    if (!inView.has(place)) inView.set(place, spacer.appendChild(listRow(place)));
  }
}

function listRow(place) {
  const n = found[place];
  const row = rows[n];
  const others = variantsOf(n).length > 1;
  const element = h('div', {
    class: `row ${n === current ? 'current' : ''} ${isOpen(n) ? '' : 'done'}`, role: 'option', id: `row-${n}`, 'data-n': n,
    'aria-selected': String(n === current), 'aria-setsize': found.length, 'aria-posinset': place + 1,
  },
  h('div', { class: 'row-top' },
    h('bdi', { class: 'row-title', dir: 'auto', lang: row.language }, row.title || row.excerpt || row.brief), marksOf(n)),
  h('div', { class: 'row-excerpt', dir: 'auto', lang: row.language }, row.excerpt || t('no_text')),
  h('div', { class: 'row-meta' },
    h('span', { class: `outcome ${outcomeClass(n)}`, title: t(`means_${outcomeClass(n)}`) }, outcomeWords(outcomeClass(n))),
    h('span', { class: 'row-codes' }, row.reasons.map(codeWords).join(' · ')),
    h('span', { class: 'row-kind' }, [row.language, others && `${t('variant_short')}${row.variant}`].filter(Boolean).join(' · '))));
  element.style.top = `${place * rowHeight}px`;
  return element;
}

const outcomeClass = (n) => (isFlagged(n) ? 'flagged' : rows[n].outcome);

/** What waits and what was decided, as drawings with a word for those who do not see them. */
function marksOf(n) {
  const [own, stands] = [verbOn(n), countedAs(n)];
  return [
    drafts.has(n) ? stateMark('draft', 'state_draft') : notes.has(n) && stateMark('note', 'state_note'),
    own && stateMark(own, `state_${own}`),
    stands === 'conflict' ? stateMark('conflict', 'state_in_conflict') : !own && stands && stateMark(stands, `before_${stands}`, 'before'),
  ].filter(Boolean);
}

const stateMark = (drawing, word, kind = '') => h('span', { class: `state ${drawing} ${kind}`, title: t(word) }, icon(drawing), h('span', { class: 'off-screen' }, t(word)));

/** Row `n` as it is now: it was decided on. */
function repaintRow(n) {
  const place = found.indexOf(n);
  const old = inView.get(place);
  if (!old) return;
  const row = listRow(place);
  old.replaceWith(row);
  inView.set(place, row);
}

/** The row that is read, marked and in view. */
function markCurrent(before) {
  const list = $('list');
  for (const n of [before, current]) {
    const row = $(`row-${n}`);
    if (!row) continue;
    row.classList.toggle('current', n === current);
    row.setAttribute('aria-selected', String(n === current));
  }
  const place = found.indexOf(current);
  if (place < 0) return list.removeAttribute('aria-activedescendant');
  const top = place * rowHeight;
  if (top < listTop) scrollList(top - rowHeight);
  else if (top + rowHeight > listTop + listHeight) scrollList(top + 2 * rowHeight - listHeight);
  paintList();
  return list.setAttribute('aria-activedescendant', `row-${current}`);
}

function showFound() {
  const open = found.filter(isUndecided).length;
  const conflict = found.filter(isInConflict).length;
  $('found').textContent = t('found', { found: found.length, open, conflict });
  $('clear').hidden = !isNarrowed();
  $('clear').textContent = t('clear_filters');
}

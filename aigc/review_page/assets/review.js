// What a reader does: go from text to text, decide, take back.

let found = [];
let current = -1;
let lastPlace = 0;

/** Read row `n`. */
function read(n) {
  if (n === undefined || n < 0 || n === current) return;
  const before = current;
  if (mode === 'edit' && putAside()) say(t('draft_kept'));
  const isSameBrief = before >= 0 && variantsOf(before).includes(n);
  current = n;
  lastPlace = Math.max(found.indexOf(n), 0);
  markCurrent(before);
  showReading();
  showSide();
  if (!(isSameBrief && mode === 'compare')) toTop($('scroll'));
  bringText();
  keepPlace();
}

const isNarrow = matchMedia('(max-width: 52rem)');

/** In a narrow window the text stands below the list: bring its start into view. */
function bringText() {
  if (!isNarrow.matches) return;
  const { top } = $('reading').getBoundingClientRect();
  if (top < 0 || top > innerHeight / 3) $('reading').scrollIntoView({ block: 'start' });
}

const keepPlaceNow = () => keep(`${HERE}place`, { id: rows[current]?.id, wanted });
const keepPlace = after(300, keepPlaceNow);

/** Leave an edit as it is: its draft is kept. Tells whether there is one. */
function putAside() {
  const n = current;
  const hasChanged = keepEdit();
  mode = 'read';
  draft = null;
  repaintRow(n);
  return hasChanged;
}

function move(step) {
  const place = found.indexOf(current);
  const next = place < 0 ? lastPlace : place + step;
  if (next < 0 || next >= found.length) return say(t(step > 0 ? 'at_end' : 'at_start'));
  return read(found[next]);
}

/** The next row in the list that nobody has decided on, from the top again after the last. */
function nextOpen(n) {
  const place = found.indexOf(n);
  return found.slice(place + 1).find(isOpen) ?? found.slice(0, Math.max(place, 0)).find(isOpen);
}

function readNextOpen() {
  const next = nextOpen(current);
  if (next === undefined) say(t('none_open'));
  else read(next);
}

/** Filter anew, and go on reading `next` if it is still there. */
function refind(next = current) {
  const before = found;
  const result = find();
  found = result.found;
  showFilters(result.counts);
  const isSame = before.length === found.length && found.every((n, i) => n === before[i]);
  if (isSame) for (const n of [...inView.values()].map((row) => Number(row.dataset.n))) repaintRow(n);
  else showList();
  showFound();
  showBar();
  if (mode === 'edit') markCurrent(current);
  else goTo(found.includes(next) ? next : found[Math.min(lastPlace, found.length - 1)] ?? -1);
}

function goTo(next) {
  const old = current;
  current = next;
  if (next === old) return markCurrent(old);
  lastPlace = Math.max(found.indexOf(next), 0);
  markCurrent(old);
  showReading();
  showSide();
  toTop($('scroll'));
  return keepPlace();
}

/** Row `n` was decided on or opened again: only where the list shows some decisions alone does that change the list. */
function refresh(n, next) {
  if (wanted.state !== ALL || searched.length) return refind(next);
  goTo(next);
  repaintRow(n);
  showFound();
  showBar();
  return recount();
}

const recount = after(150, () => showFilters(find().counts));

/**
 * Decide on row `n`, and go on to the next that is open: if `n` is still what is read, and no other window has moved this one on.
 * `said` and `names` are for what is said of it.
 */
function settle(n, verb, more, { said = `said_${verb}`, names = '' } = {}) {
  const before = decisionOn(n);
  const isOverDraft = drafts.has(n);
  const beside = mode === 'compare' ? variantsOf(n).find((other) => other !== n && isOpen(other) && found.includes(other)) : undefined;
  const next = current === n ? beside ?? nextOpen(n) : current;
  decide(n, verb, more);
  if (verb !== 'edit' || said === 'said_take') keepWords(n, before);
  refresh(n, next ?? n);
  if (current === n) {
    showReading();
    showSide();
  }
  tellSettled(n, { said, names, isOverDraft }, verb);
  $('list').focus({ preventScroll: true });
  askName();
  bringText();
}

/** What was decided, who still differs, and what is left: of the list, and beside it. */
function tellSettled(n, { said, names, isOverDraft }, verb) {
  const left = found.filter(isOpen).length;
  const hidden = rows.reduce((count, _, other) => count + isOpen(other), 0) - left;
  const done = [
    t(said !== 'said_approve' ? said : isOverDraft ? 'said_approve_over_draft' : hasPassed(n) ? said : 'said_over_checks', { names }),
    isOverDraft && t('draft_still_kept'),
    isInConflict(n) && [t('others_differ', { names: listed(whoDiffers(n).map(isolated)) }), t('differ_until')].join(t('gap')),
    left ? t('left', { left }) : hidden ? t('all_here_done', { hidden }) : t('all_done'),
  ];
  say(done.filter(Boolean).join(t('gap')), isInConflict(n) ? 'conflict' : verb, isInConflict(n) || isOverDraft ? 9000 : 4000);
}

/** An edit as a draft, so that taking it back loses no words. */
const draftOf = (n, { text, fields, reason = '', note = '' }) => ({
  ...(hasEntries(fields) ? { fields: fieldsOf(n).map(([name]) => [name, fields[name]]) } : { text }), reason, note,
});

/** Words of an edit that is given up become a draft, if they are the reader's own and there is no newer draft. */
function keepWords(n, decision) {
  if (hasOwnWords(n, decision) && !drafts.has(n)) saveDraft(n, draftOf(n, decision));
}

/** Take back the decision on this text; where there is none, the one that was made last. */
function undo() {
  const n = decisions.has(current) ? current : lastDecided();
  if (n === undefined) return say(t('nothing_to_undo'));
  const { decision, exported, sent } = takeBack(n);
  keepWords(n, decision);
  if (decision.note) annotate(n, decision.note);
  refresh(n, found.includes(n) ? n : current);
  if (current !== n) read(n);
  showReading();
  showSide();
  return say([t(exported || sent ? 'undone_exported' : 'undone'), decision.note && t('note_stays')].filter(Boolean).join(t('gap')), '', 7000);
}

const decidable = rows.map((_, n) => n).filter(isDecidable);
const COUNTED = [...VERBS, 'conflict'];

/** The bar at the top: how far it is, and what has not been exported. */
function showBar() {
  const total = decidable.length;
  const tally = Object.fromEntries(COUNTED.map((verb) => [verb, 0]));
  let open = 0;
  for (const n of decidable) {
    const counted = countedAs(n);
    if (counted) tally[counted] += 1;
    if (isOpen(n) && isForReview(n)) open += 1;
  }
  const done = VERBS.reduce((sum, verb) => sum + tally[verb], 0);
  const hidden = total - found.filter(isDecidable).length;
  refill($('track'), COUNTED.map((verb) => {
    const part = h('span', { class: verb });
    part.style.width = `${(100 * tally[verb]) / Math.max(total, 1)}%`;
    return part;
  }));
  const words = t('progress', { done, total });
  for (const [name, value] of [['valuemax', Math.max(total, 1)], ['valuenow', done], ['valuetext', words]]) {
    $('track').setAttribute(`aria-${name}`, value);
  }
  $('track').setAttribute('aria-label', t('progress_label'));
  $('track').title = t('tally', tally);
  $('track-words').textContent = [words, tally.conflict && t('progress_conflict', { conflict: tally.conflict }), hidden && t('progress_hidden', { hidden })]
    .filter(Boolean).join(' · ');
  const waiting = unexported();
  refill($('export'), t('export'), waiting > 0 && h('span', { class: 'count', title: t('unexported', { count: waiting }) }, number(waiting)));
  $('finished').hidden = open > 0 || !total || !waiting;
  $('finished-words').textContent = done + tally.conflict < total ? t('finished_for_review', { left: total - done - tally.conflict }) : t('finished');
  refill($('who'), liked.editor ? foreign(liked.editor) : t('your_name'));
  $('who').title = t('name_title');
  $('who').classList.toggle('wanting', !liked.editor);
}

let toastTimer = 0;

/** Say something in passing. */
function say(words, kind = '', shown_ms = 4000) {
  const toast = $('toast');
  clearTimeout(toastTimer);
  toast.className = `toast shown ${kind}`;
  refill(toast, words);
  toastTimer = setTimeout(() => { toast.className = 'toast'; }, shown_ms);
}

/** What is wrong with keeping decisions, until it is right again. */
function showNotice() {
  const notice = $('notice');
  notice.hidden = !keepingFailed;
  if (keepingFailed) notice.textContent = t(`keeping_${keepingFailed}`);
}

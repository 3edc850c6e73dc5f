// The keyboard. Single keys can be switched off in the help, for those who speak to their machine.

const SAVE_KEY = /Mac|iPhone|iPad/.test(navigator.platform) ? '⌘ ↵' : 'Ctrl ↵';

/** What the help tells: keys and the name of what they do. */
const KEYS = [
  [['J', '↓'], 'key_after'], [['K', '↑'], 'key_before'], [['O'], 'key_open'], [['A'], 'approve'], [['E'], 'edit'], [['R'], 'reject'],
  [['N'], 'note'], [['U'], 'undo'], [['1', '2', '…'], 'key_take'], [['0'], 'approve_original'], [['V'], 'side_by_side'], [['H', 'L'], 'key_variant'], [['T'], 'key_form'],
  [['Space'], 'key_scroll'], [['/'], 'key_search'], [['F'], 'key_filters'], [['X'], 'key_export'],
  [[SAVE_KEY], 'key_save'], [['Esc'], 'key_escape'], [['?'], 'help'],
];

const DOES = {
  j: () => move(1), k: () => move(-1), o: readNextOpen, a: approve, e: openEditor, r: openReject, n: openNote, u: undo,
  v: compare, h: () => moveVariant(-1), l: () => moveVariant(1), t: nextForm, x: openExport, f: () => $('filter-state').focus(),
};
/** Of these, what needs a text. */
const NEEDS_TEXT = 'jkoaernvhlt';

/** The letter of a key, on keyboards of other scripts and under input methods too. */
function letterOf(event) {
  if (/^[a-z]$/i.test(event.key)) return event.key.toLowerCase();
  const isOther = event.key === 'Process' || event.key.length === 1;
  return isOther && !/^[\x21-\x7e]$/.test(event.key) ? (/^Key([A-Z])$/.exec(event.code)?.[1] || '').toLowerCase() : '';
}

/** A digit, under input methods too. */
const digitOf = ({ key, code }) => (/^[0-9]$/.test(key) ? key : key === 'Process' ? /^Digit([0-9])$/.exec(code)?.[1] ?? '' : '');

const isWriting = (target) => Boolean(target.closest?.('textarea, select, input:not([type=checkbox], [type=radio])'));

function onKey(event) {
  if ((event.isComposing || event.keyCode === 229) && isWriting(event.target)) return; // 229: the key that ends a composition in Safari
  if (isBoxOpen()) return;
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey) && mode === 'edit') return act(event, saveEdit);
  if (event.key === 'Escape') return escape(event);
  if (event.ctrlKey || event.metaKey || event.altKey || isWriting(event.target)) return undefined;
  if (event.target.closest?.('#list') && ['ArrowDown', 'ArrowUp', 'Home', 'End', 'PageDown', 'PageUp'].includes(event.key)) {
    return act(event, () => moveInList(event.key));
  }
  if (!liked.keys) return undefined;
  if (event.key === '/') return act(event, () => $('query').select());
  if (event.key === '?') return act(event, openHelp);
  if (event.key === ' ' && !event.target.closest?.('button, summary, input, a')) return act(event, () => scrollText(event.shiftKey ? -1 : 1));
  const digit = digitOf(event);
  if (digit && mode !== 'edit') return act(event, () => (digit === '0' ? approveOriginal() : takeAt(Number(digit))));
  const letter = letterOf(event);
  if (!Object.hasOwn(DOES, letter) || mode === 'edit' || (current < 0 && NEEDS_TEXT.includes(letter))) return undefined;
  return act(event, DOES[letter]);
}

function act(event, does) {
  event.preventDefault();
  does();
}

function escape(event) {
  if (event.target.closest?.('#asking')) return act(event, leaveAsking);
  if (event.target.id === 'query' && event.target.value) return;
  if (mode === 'edit') return act(event, leaveEdit);
  if (mode === 'compare') return act(event, compare);
  $('list').focus();
}

function moveInList(key) {
  const page = Math.max(1, Math.floor($('list').clientHeight / rowHeight) - 1);
  const place = Math.max(found.indexOf(current), 0);
  const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -place, End: found.length };
  read(found[Math.max(0, Math.min(found.length - 1, place + steps[key]))]);
}

function scrollText(direction) {
  const box = $('scroll');
  box.scrollBy({ top: direction * box.clientHeight * 0.85, behavior: calm() ? 'auto' : 'smooth' });
}

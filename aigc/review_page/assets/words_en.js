// The interface in English. Words that need values are functions of them.

const many = (count, one, more) => `${number(count)} ${count === 1 ? one : more}`;

const WORDS_EN = {
  review: 'Review', other_language: '中文', skip_to_text: 'Skip to the text', list: 'Texts', reading: 'Text', beside: 'Beside the text',
  run: ({ id }) => `run ${id}`, part: ({ number: part }) => `part ${part}`,
  theme_auto: 'Colours: as the system', theme_light: 'Colours: light', theme_dark: 'Colours: dark',
  progress_label: 'Decided', progress: ({ done, total }) => `${number(done)} of ${number(total)} decided`,
  tally: ({ approve: approved, edit, reject }) => `${number(approved)} approved, ${number(edit)} edited, ${number(reject)} rejected`,
  unexported: ({ count }) => `${many(count, 'decision', 'decisions')} not exported yet`,

  finder: 'Search and filters', search: 'Search texts and briefs', clear_filters: 'Clear filters',
  filter_state: 'Decision', filter_outcome: 'Outcome', filter_type: 'Content type', filter_language: 'Language', filter_reason: 'Reason',
  all_state: 'Any decision', all_outcome: 'Any outcome', all_type: 'Any type', all_language: 'Any language', all_reason: 'Any reason',
  state_open: 'Undecided', state_decided: 'Decided', state_approve: 'Approved', state_edit: 'Edited', state_reject: 'Rejected',
  state_in_conflict: 'Editors differ', stands_approved: 'Approved before', stands_rejected: 'Rejected before', stands_in_conflict: 'Editors differ',
  state_draft: 'Draft or note', state_note: 'Note',
  outcome_review: 'For review', outcome_held: 'Held', outcome_flagged: 'Flagged', outcome_accepted: 'Accepted', outcome_short: 'Short of texts',
  outcome_exhausted: 'Exhausted', outcome_rejected: 'Rejected by filter', outcome_failed: 'Failed', outcome_invalid: 'Invalid brief',
  found: ({ found: all, open }) => `${many(all, 'text', 'texts')}, ${number(open)} undecided`,
  nothing_found: 'No text matches.', nothing_open: 'Nothing is open. Clear the filters to see all texts.',
  nothing_here: 'This page holds no texts.', no_text: 'No text', variant_short: 'v', at_end: 'This is the last text.', at_start: 'This is the first text.',
  none_open: 'Nothing in this list is undecided.', all_done: 'That was the last one.',
  finished: 'All texts are decided. Export your decisions, and send the file to whoever gave you this page.',

  forms: 'Form of the text', form_fields: 'Fields', form_text: 'As laid out', form_changes: 'Changes', form_edited: 'Edited', form_original: 'Original',
  length: ({ count, characters }) => (characters ? many(count, 'character', 'characters') : many(count, 'word', 'words')),
  length_of: ({ count, least, most, characters }) => {
    const asked = least && most ? `${number(least)}–${number(most)}` : least ? `at least ${number(least)}` : most ? `at most ${number(most)}` : '';
    return `${characters ? many(count, 'character', 'characters') : many(count, 'word', 'words')}${asked && ` · ${asked} asked for`}`;
  },
  show_all: ({ characters }) => `Show all ${number(characters)} characters`, no_entries: 'No entries', unchanged: 'unchanged',
  label_here: 'Label that readers see: ', not_shown: 'Not in the form shown.',
  why_invalid: 'Nothing was written: the brief itself is wrong.', why_failed: 'No text could be made.', nothing_to_decide: 'Nothing to decide: there is no text.',
  variants: 'Variants', variant: ({ number: which }) => `Variant ${which}`, side_by_side: 'Side by side',

  actions: 'Actions', approve: 'Approve', edit: 'Edit', reject: 'Reject', note: 'Note', undo: 'Undo', before: 'Previous', after: 'Next',
  before_key: 'Previous (K)', after_key: 'Next (J)', place: ({ place, of }) => (place ? `${number(place)} of ${number(of)}` : 'not in this list'),
  done_approve: 'Approved', done_edit: 'Edited', done_reject: 'Rejected', note_waits: 'Note for your decision:',
  said_approve: ({ left }) => `Approved. ${number(left)} to go.`, said_edit: ({ left }) => `Edit saved. ${number(left)} to go.`,
  said_reject: ({ left }) => `Rejected. ${number(left)} to go.`,
  undone: 'Taken back: undecided again.', undone_exported: 'Taken back here. The file you exported still has it; decide again to replace it.',
  nothing_to_undo: 'There is nothing to take back.',

  save_edit: 'Save edit', leave_edit: 'Leave', key_save: 'Ctrl ↵', discard_draft: 'Discard draft', edit_reason: 'Reason (optional)', no_reason: 'No reason',
  add_entry: 'Add an entry', remove_entry: ({ entry }) => `Remove ${entry}`, add_after: ({ entry }) => `Insert after ${entry}`,
  draft_restored: 'Your unsaved edit is restored.', draft_kept: 'Your edit is kept as a draft.', no_change: 'Nothing has changed. Approve the text as it is, or leave.',
  emptied: ({ fields }) => `Nothing is left of ${fields}. Restore it, or reject the text.`, emptied_text: 'Nothing is left of the text. Restore it, or reject the text.',

  before_conflict: 'Editors differ', before_this: 'Decided before', why: 'What to look at', brief: 'Brief', attempts: 'Other attempts', origin: 'Where it comes from',
  action_hold: 'held', action_flag: 'flagged', action_retry: 'failed', action_reject: 'rejected', action_not_run: 'not checked',
  measured: ({ measured, limit }) => `measured ${measured}, limit ${limit}`,
  tone: 'tone', audience: 'audience', length_asked: 'length', keywords: 'keywords', must_not_mention: 'must not mention', yes: 'yes', no: 'no',
  attempt: ({ number: which }) => `Attempt ${which}`, source: 'Brief', row_name: 'Row', record_id: 'Record id', attempt_shown: 'Attempt shown',
  made_at: 'Made', model: 'Model',

  cancel: 'Cancel', close: 'Close', save: 'Save', reject_title: 'Reject this text', reject_why: 'Reason',
  note_title: 'Note', save_note: 'Save note', note_hint: 'For colleagues, and for the model if it writes again',
  your_name: 'Your name', name_title: 'Who decides?', name_needed: 'A name is needed: decisions are somebody’s.',
  name_first: 'Your decision is kept. Your name goes with it, and with those to come.', later: 'Later',
  name_hint: 'It goes with your decisions. Those that you have exported keep the name they had.',
  export: 'Export', export_title: 'Export decisions', download: 'Download', copy: 'Copy instead',
  export_words: (tally) => `${WORDS_EN.tally(tally)}.`,
  export_hint: 'You get a file with all your decisions. Send it to whoever gave you this page.',
  exported: ({ name }) => `Downloaded ${name}. Send it to whoever gave you this page.`, copied: 'Copied. Paste it into a file that ends in .jsonl.', copy_by_hand: 'The clipboard is not available. Copy this:',
  nothing_to_export: 'There are no decisions yet.',
  import: 'Import', import_hint: 'Open a file of decisions that was exported before', import_title: ({ name }) => `From ${name}`,
  import_taken: ({ count, editors }) => `${many(count, 'decision', 'decisions')} taken${editors && ` (${editors})`}.`,
  import_same: ({ count }) => `${many(count, 'decision was', 'decisions were')} here already.`,
  import_older: ({ count }) => `${many(count, 'is older than the decision', 'are older than the decisions')} here, and left out.`,
  import_elsewhere: ({ count }) => `${many(count, 'is on a text', 'are on texts')} of another run, and left out.`,
  import_unknown: ({ count, ids }) => `${many(count, 'is on a text', 'are on texts')} that this page does not hold: ${ids}.`,
  import_changed: ({ count, ids }) => `${many(count, 'was made on another version of its text', 'were made on other versions of their texts')}: ${ids}.`,
  import_reasonless: ({ count, ids }) => `${many(count, 'rejection says', 'rejections say')} no reason: ${ids}.`,
  import_broken: ({ count, lines }) => `${many(count, 'line is no decision', 'lines are no decisions')}: line ${lines}.`,

  keeping_off: 'This browser does not keep decisions for files. Export before you close the page, or they are lost.',
  keeping_full: 'This browser’s room for decisions is full. Export now: what you decide from here on is lost when the page closes.',

  help: 'Keys and help', keys_on: 'Single keys work', key_after: 'Next text', key_before: 'Previous text', key_open: 'Next undecided text',
  key_undo: 'Take back', key_variant: 'Previous and next variant', key_form: 'Other form of the text', key_scroll: 'Scroll the text', key_search: 'Search',
  key_filters: 'Filters', key_export: 'Export decisions', key_escape: 'Leave, close',
  help_decide: 'Approve a text as it is, edit it, or reject it with a reason. You may think again: the last decision counts.',
  help_kept: 'Your browser keeps decisions, drafts and notes for this page. Nobody else sees them until you export.',
  help_back: 'Export when you are done, or whenever you want to pause. Send the file to whoever gave you this page; they bring it in with “aigc review import”.',
  help_private: 'The page sends nothing and loads nothing: it works without a network.',
};

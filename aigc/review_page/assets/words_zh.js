// The interface in Chinese.

const WORDS_ZH = {
  review: '审稿', other_language: 'English', skip_to_text: '跳到正文', list: '文本列表', reading: '正文', beside: '参考信息',
  run: ({ id }) => `批次 ${id}`, part: ({ number: part }) => `第 ${part} 部分`,
  theme_auto: '配色：跟随系统', theme_light: '配色：浅色', theme_dark: '配色：深色',
  progress_label: '已处理', progress: ({ done, total }) => `已处理 ${number(done)} / ${number(total)}`,
  tally: ({ approve: approved, edit, reject }) => `通过 ${number(approved)}，修改 ${number(edit)}，退回 ${number(reject)}`,
  unexported: ({ count }) => `${number(count)} 项决定尚未导出`,

  finder: '搜索与筛选', search: '搜索正文和要求', clear_filters: '清除筛选',
  filter_state: '决定', filter_outcome: '结果', filter_type: '内容类型', filter_language: '语言', filter_reason: '原因',
  all_state: '全部决定', all_outcome: '全部结果', all_type: '全部类型', all_language: '全部语言', all_reason: '全部原因',
  state_open: '未处理', state_decided: '已处理', state_approve: '已通过', state_edit: '已修改', state_reject: '已退回',
  state_in_conflict: '意见不一', stands_approved: '此前已通过', stands_rejected: '此前已退回', stands_in_conflict: '意见不一',
  state_draft: '草稿或批注', state_note: '批注',
  outcome_review: '待审', outcome_held: '待人工确认', outcome_flagged: '有提示', outcome_accepted: '合格', outcome_short: '数量不足',
  outcome_exhausted: '多次未过', outcome_rejected: '未过检查', outcome_failed: '生成失败', outcome_invalid: '要求有误',
  found: ({ found: all, open }) => `${number(all)} 篇，${number(open)} 篇未处理`,
  nothing_found: '没有符合条件的文本。', nothing_open: '没有可看的文本。清除筛选即可看到全部。',
  nothing_here: '此页面没有文本。', no_text: '无正文', variant_short: '版本', at_end: '已是最后一篇。', at_start: '已是第一篇。',
  none_open: '列表中没有未处理的文本。', all_done: '全部处理完毕，请导出决定。',

  forms: '显示方式', form_fields: '分栏目', form_text: '排版后', form_changes: '改动', form_edited: '修改稿', form_original: '原文',
  length: ({ count, characters }) => `${number(count)} ${characters ? '字' : '词'}`,
  length_of: ({ count, least, most, characters }) => {
    const unit = characters ? '字' : '词';
    const asked = least && most ? `${number(least)}–${number(most)} ${unit}` : least ? `至少 ${number(least)} ${unit}` : most ? `至多 ${number(most)} ${unit}` : '';
    return `${number(count)} ${unit}${asked && ` · 要求 ${asked}`}`;
  },
  show_all: ({ characters }) => `显示全部 ${number(characters)} 个字符`, no_entries: '无条目', unchanged: '未改动',
  label_here: '读者看到的标识：', not_shown: '当前显示方式中没有这一处。',
  why_invalid: '没有生成：要求本身有误。', why_failed: '未能生成文本。', nothing_to_decide: '没有正文，无需决定。',
  variants: '版本', variant: ({ number: which }) => `版本 ${which}`, side_by_side: '并排对照',

  actions: '操作', approve: '通过', edit: '修改', reject: '退回', note: '批注', undo: '撤销', before: '上一篇', after: '下一篇',
  before_key: '上一篇（K）', after_key: '下一篇（J）', place: ({ place, of }) => (place ? `${number(place)} / ${number(of)}` : '不在列表中'),
  done_approve: '已通过', done_edit: '已修改', done_reject: '已退回', note_waits: '随决定提交的批注：',
  said_approve: ({ left }) => `已通过，还剩 ${number(left)} 篇。`, said_edit: ({ left }) => `修改已保存，还剩 ${number(left)} 篇。`,
  said_reject: ({ left }) => `已退回，还剩 ${number(left)} 篇。`,
  undone: '已撤销，恢复为未处理。', undone_exported: '已在此撤销，但导出的文件中仍有该决定；重新决定即可替换。',
  nothing_to_undo: '没有可撤销的决定。',

  save_edit: '保存修改', leave_edit: '离开', key_save: 'Ctrl ↵', discard_draft: '丢弃草稿', edit_reason: '原因（可选）', no_reason: '不填原因',
  add_entry: '添加一条', remove_entry: ({ entry }) => `删除 ${entry}`,
  draft_restored: '已恢复未保存的修改。', draft_kept: '修改已存为草稿。', no_change: '没有改动。请按原样通过，或离开。',
  emptied: ({ fields }) => `${fields} 已被清空。请恢复，或退回此文。`, emptied_text: '正文已被清空。请恢复，或退回此文。',

  before_conflict: '意见不一', before_this: '此前的决定', why: '需要留意', brief: '写作要求', attempts: '其他尝试', origin: '来源',
  action_hold: '待确认', action_flag: '提示', action_retry: '未通过', action_reject: '拒绝', action_not_run: '未检查',
  measured: ({ measured, limit }) => `实测 ${measured}，限值 ${limit}`,
  tone: '语气', audience: '读者', length_asked: '篇幅', keywords: '关键词', must_not_mention: '不得提及', yes: '是', no: '否',
  attempt: ({ number: which }) => `第 ${which} 次尝试`, source: '要求所在', brief_id: '要求编号', record_id: '记录编号', attempt_shown: '显示第几次尝试',
  made_at: '生成时间', model: '模型',

  cancel: '取消', close: '关闭', save: '保存', reject_title: '退回此文', reject_why: '原因',
  note_title: '批注', save_note: '保存批注', note_hint: '写给同事；若重新生成，也写给模型',
  your_name: '你的姓名', name_title: '审稿人是谁？', name_needed: '请填写姓名：每项决定都要有署名。',
  name_hint: '姓名随你的决定一并保存。已导出的决定保留原来的署名。',
  export: '导出', export_title: '导出决定', download: '下载', copy: '改为复制',
  export_words: (tally) => `${WORDS_ZH.tally(tally)}。`,
  export_hint: '导出为 decisions.jsonl 文件，用“aigc review import”并入批次，也可在此重新打开。',
  exported: ({ name }) => `已下载 ${name}`, copied: '已复制。请粘贴到以 .jsonl 结尾的文件中。', copy_by_hand: '无法使用剪贴板，请手动复制：',
  nothing_to_export: '还没有任何决定。',
  import: '导入', import_hint: '打开先前导出的决定文件', import_title: ({ name }) => `来自 ${name}`,
  import_taken: ({ count, editors }) => `采纳 ${number(count)} 项决定${editors && `（${editors}）`}。`,
  import_same: ({ count }) => `${number(count)} 项此前已有。`,
  import_older: ({ count }) => `${number(count)} 项早于此处的决定，未采纳。`,
  import_elsewhere: ({ count }) => `${number(count)} 项属于其他批次，未采纳。`,
  import_unknown: ({ count, ids }) => `${number(count)} 项所指文本不在此页：${ids}。`,
  import_changed: ({ count, ids }) => `${number(count)} 项针对的是文本的其他版本：${ids}。`,
  import_broken: ({ count, lines }) => `${number(count)} 行不是决定：第 ${lines} 行。`,

  keeping_off: '此浏览器不为本地文件保存决定。关闭页面前请先导出，否则会丢失。',
  keeping_full: '浏览器的存储空间已满。请立即导出：此后的决定会在关闭页面时丢失。',

  help: '按键与帮助', keys_on: '启用单键快捷键', key_after: '下一篇', key_before: '上一篇', key_open: '下一篇未处理的',
  key_undo: '撤销决定', key_variant: '上一版本、下一版本', key_form: '切换显示方式', key_scroll: '滚动正文', key_search: '搜索',
  key_filters: '筛选', key_export: '导出决定', key_escape: '离开、关闭',
  help_decide: '按原样通过，修改后采用，或注明原因退回。可以改主意：以最后一次决定为准。',
  help_kept: '决定、草稿和批注保存在你的浏览器中，导出之前别人看不到。',
  help_back: '把导出的文件发回，由项目负责人用“aigc review import”并入。',
  help_private: '此页面不发送也不加载任何东西，断网也能用。',
};

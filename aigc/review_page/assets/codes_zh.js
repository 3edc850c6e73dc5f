// Reasons of filters and output fields in Chinese. What is not here is shown as it is.

const CODES_ZH = {
  empty: '无内容', empty_field: '栏目为空', not_in_form: '格式不符', mojibake: '乱码', lone_surrogate: '残缺字符', replacement_character: '字符丢失',
  control_character: '控制字符', hidden_text: '隐藏文字', bidi_override: '文字方向被篡改', bidi_mark: '方向标记', zero_width: '零宽字符', private_use: '私用字符',
  cut_off: '未写完', field_cut_off: '栏目被截断', repaired: '输出经修补', no_end_mark: '句末无标点', too_long: '过长', too_short: '过短',
  repeated_tail: '结尾重复', distinct_ngrams_low: '用语重复', repeated_field: '栏目重复', compressible: '内容雷同', refusal: '拒绝作答', speaks_as_ai: '以 AI 口吻',
  opening: '多余的开场白', closing: '多余的结束语', placeholder: '占位符', chat_token: '对话标记', thinking_tag: '思考标记', unclosed_fence: '代码块未闭合',
  broken_table: '表格损坏', broken_link: '链接损坏', stray_emphasis: '多余的强调符', html: '含 HTML', markdown_marks: '含 Markdown 标记', wrong_language: '语言不符',
  wrong_variant: '简繁不符', mixed_script: '文字混杂', mixed_variants: '简繁混用', foreign_passage: '夹杂外文', mixed_letters: '字母混杂', missing_keyword: '缺少关键词', misspelt_name: '名称写错', missing_name: '未写名称',
  forbidden_term: '禁用词', brief_speaks_to_model: '要求中含指令', profanity: '粗话', prompt_echo: '照抄提示', copied_instruction: '照抄指令', hard_to_read: '难读',
  too_many_exclamations: '感叹号过多', emoji: '表情符号', questions: '问句过多', casual_words: '用语随意', absolute_claim: '绝对化用语', guarantee: '承诺保证',
  medical_promise: '医疗承诺', unproven_authority: '虚假权威', financial_promise: '收益承诺', outcome_promise: '效果承诺', property_promise: '房产承诺',
  state_endorsement: '借国家名义', green_claim: '环保宣称', invented_fact: '无依据的事实', unsupported_number: '无依据的数字', secret: '密钥', personal_data: '个人信息',
  possible_personal_data: '疑似个人信息', disclosure_missing: '缺少 AI 标识', disclosure_unclear: 'AI 标识不清', disclosure_repeated: 'AI 标识重复',
  claims_human_author: '自称真人所写', unfinished_dialogue: '对话未完', forbidden_by_policy: '规则禁用', near_duplicate: '与他文雷同', safety: '安全', judge: '评审', filter_error: '检查出错', safety_error: '安全检查出错', judge_error: '评审出错',
  not_made: '未再生成', few_texts: '可选文本过少', token_budget: '用量已尽', template_failed: '模板出错', layout_failed: '排版出错', engine_died: '引擎中断',
  out_of_memory: '内存不足', prompt_too_long: '提示过长', forgotten: '已删除',
};

const FIELDS_ZH = {
  headline: '标题', title: '标题', subject: '邮件主题', preview: '预览文字', heading: '小标题', name: '名称', body: '正文', text: '正文', message: '正文',
  intro: '导语', stories: '各条内容', bullets: '卖点', greeting: '称呼', closing: '结尾', call_to_action: '行动号召', hashtags: '话题标签', turns: '对话',
  line: '台词', lines: '台词', speaker: '说话人', says: '台词', choices: '玩家选项', journal: '任务日志', action: '动作', ending: '结尾', background: '背景',
  decision: '决策点', questions: '讨论题', question: '问题', goal: '目的', objective: '目标', steps: '步骤', time: '时间', activity: '活动', check: '检查',
  verse_1: '主歌一', verse_2: '主歌二', chorus: '副歌', outro: '尾声', point: '要点', points: '要点',
};

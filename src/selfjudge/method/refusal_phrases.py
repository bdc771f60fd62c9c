"""How requests are declined, and what is no answer either, in English and by language. Data.

Patterns are for texts in lower case with straight apostrophes. Each language is a row, so that another one is another row.
"""

from __future__ import annotations

from typing import NamedTuple

_HELP = (
    r"help(?! \w+ing\b)|assist|aid|answer|respond|reply|comply|fulfil|fulfill|complete|do|provide|give|offer|support|"
    r"engage|participate|continue|proceed|"
    "process|generate|create|produce|write|add|insert|make|invent|alter|comment|discuss|talk|speak|speculate|guess|"
    "judge|rate|identify|"
    "recogni[sz]e|name|reveal|disclose|share|confirm|describe|view|access|open|load|display|analy[sz]e|examine|"
    "interpret|assess|evaluate|"
    "advise|diagnose|endorse|condone|promote|perform|carry out|accommodate|satisfy|lie|mislead|fabricate|introduce|"
    "falsify|handle|"
    "translate|transcribe|look at|go into|be of help|deceive|state|say who|say anything|tell you|grant|fake|read|check|verify"
)
_PICTURE = "(?:images?|pictures?|photos?|photographs?|attachments?|screenshots?|files?|pics?|visuals?)"
_SPEAK = (
    "guess|judge|make|comment|identify|discuss|speculate|assume|describe|provide|share|ask|use|label|stereotype|"
    "generali[sz]e|rate|rank|infer|"
    "draw|diagnose|answer|respond|say|talk|refer|create|write|promote|encourage|engage|give|suggest|spread|mock|insult|"
    "do|name|mention|"
    "speak|call|compare|evaluate|assess|determine|attribute"
)
_WELL = r"(?:appropriate|ethical|acceptable|respectful|responsible|right|okay|ok|fair|accurate|proper|moral|my place)"
_UNABLE = (
    r"(?:i |i'm |i am |i'd |i'll )?(?:really |simply |just |currently |also |unfortunately )*"
    r"(?:cannot|can't|can not|couldn't|am unable to|unable to|not able to|won't be able to|will not be able to|won't|"
    r"will not|not going to|"
    r"don't have the (?:ability|capability|means) to|do not have the (?:ability|capability|means) to|refuse to|"
    r"(?:must|have to|need to|am going to|'ll) (?:refuse|decline) to|'d rather not|would rather not|(?:would )?prefer not to|"
    r"not (?:allowed|permitted|programmed|designed|trained|equipped|authori[sz]ed) to)"
    r"(?: (?:really|directly|actually|possibly|ever|currently|personally|safely|in good (?:conscience|faith)))*"
)

REFUSES: tuple[str, ...] = (
    rf"(?:^|\bi(?:'m| am|'ll|'d)?\b[^.]{{0,30}}?){_UNABLE} (?:{_HELP})\b(?! (?:but|myself|it if|enough|"
    r"(?:it|this|that) enough|sense of|out\b))",
    rf"\bi\b[^.]{{0,30}}?{_UNABLE} (?:see|find|detect|perceive|make out) (?:the|an|any|your|this|that)(?: (?:attached|"
    rf"uploaded|actual))? {_PICTURE}"
    r"(?!s? (?:of|on|with|hang)\b)",
    rf"\bi\b[^.]{{0,30}}?{_UNABLE} see {_PICTURE}",
    rf"\bi\b[^.]{{0,30}}?{_UNABLE} (?:tell|say|determine|know) (?:you )?(?:who|whose|the identity)\b",
    r"\bi(?:'m| am| do| don't|) ?(?:not|n't)?(?: really| feel)? (?:un)?comfortable (?:with|to|answering|making|doing|"
    r"writing|\w+ing)|"
    r"\bi (?:do not|don't) feel comfortable|\bi(?:'m| am) (?:not|un) ?comfortable",
    r"\bi(?:'m| am|'ll|'d| will| must| have to| need to|'ve)?(?: have to| going to| going to have to| like to|"
    r" prefer to| rather)? "
    r"(?:\w+ly )?(?:decline|refuse|pass on (?:this|that|it))\b",
    r"\bbeyond (?:what|anything) i (?:can|am able)\b|\bi(?:'m| am) only (?:able|allowed|permitted) to\b|\bno can do\b",
    r"\bi (?:do not|don't) have (?:\w+ ){0,2}(?:permission|authori[sz]ation|authority|clearance)\b",
    r"\b(?:helping|assisting|answering|doing|commenting|guessing|identifying|speculating)\b.{0,40}(?:would be|"
    r"is) (?:un|in|ir)\w+",
    rf"\bthere (?:doesn't|does not) (?:seem|appear) to be (?:an|any) (?:\w+ )?{_PICTURE}\b(?! of)",
    rf"(?:\b(?:not|isn't|wouldn't be|never|hardly)(?: be)?(?: \w+)? |\b(?:in|un|ir|dis)){_WELL}(?: or \w+)?(?: (?:for|"
    rf"of) me)? to (?:{_SPEAK})\b",
    rf"\bi (?:don't|do not) (?:think|believe|feel)(?: that)? (?:it's|it is|it would be|this is|that is) (?:\w+ "
    rf")?(?:{_WELL}|a good idea)",
    r"\b(?:against|violates?|outside(?: of)?|beyond|breaks?|contrary to|conflicts? with) (?:(?:my|our|the|"
    r"openai's) (?:\w+ ){0,2})?"
    r"(?:guidelines?|polic(?:y|ies)|principles|programming|rules|capabilit(?:y|ies)|abilit(?:y|ies)|scope|terms|"
    r"instructions|values)",
    r"\b(?:not|isn't) (?:something|anything|a request|a question|a topic)(?: that| which)? i(?:'m| am)? ?"
    r"(?:can|will|do|able|allowed|comfortable|willing)\b",
    r"\b(?:is|'s) (?:something|anything|a request|a question|a topic)(?: that| which)? i(?:'m| am)? ?(?:cannot|"
    r"can't|won't|not|unable)\b",
    r"\b(?:my|our) (?:\w+ ){0,2}(?:guidelines?|polic(?:y|ies)|programming|rules|training|safety|"
    r"instructions) (?:do not|don't|does not|"
    r"doesn't|will not|won't|prevents?|prohibits?|forbids?)\b",
    rf"^\W*(?:(?:please|kindly|could you|can you) )+(?:re-?)?(?:upload|attach|provide|share|send|"
    rf"include) (?:me )?(?:the|an|your) (?:\w+ )?{_PICTURE}",
    rf"\b(?:best|better|wiser?) not to (?:{_SPEAK})\b",
    rf"\bi(?:'d| would|'ll| will)? need (?:to (?:see|look at) |access to )?(?:the|an|"
    rf"your) (?:\w+ )?{_PICTURE} (?:to|in order|before|so)\b",
    r"\bi (?:do not|don't|never) (?:(?:identify|recogni[sz]e|name|judge|rate) (?:\w+ )?(?:people|persons|"
    r"individuals|faces|anyone)|"
    r"(?:comment|speculate|engage)\b)",
    r"\bnothing (?:that )?i can (?:describe|say|do|tell|answer)",
    r"\bi have no (?:way of seeing|access to|ability to (?:see|view))",
    r"\bi (?:don't|do not) (?:see|have|have access to|receive) (?:an|any|the|your) (?:\w+ )?"
    + _PICTURE
    + r"\b(?! of)|\bi (?:didn't|did not|haven't|have not) receive[d]? (?:an|any|the|your) (?:\w+ )?"
    + _PICTURE,
    r"\bno(?: \w+)? "
    + _PICTURE
    + r" (?:was|were|is|has been|have been|seems to be|appears to be)?\s*(?:provided|attached|uploaded|shared|included|"
    r"given|sent|supplied|"
    r"available|visible here|to (?:look|see|analy[sz]e|describe|go))",
    r"^\W*(?:(?:since|as|because|it (?:seems|appears|looks like)(?: that| as if)?|but|but it seems(?: that)?|i'm afraid|"
    r"unfortunately),? )?"
    r"(?:there is|there's|there was|there are|i see) no (?:\w+ )?"
    + _PICTURE
    + r"(?:\W*$|,| (?:here|in (?:your|the|this) (?:message|request|prompt|chat|conversation)|for me|that i|provided|"
    r"attached|i can))",
    r"\b(?:the|your) "
    + _PICTURE
    + r"(?: you(?: \w+){1,3})?(?: is missing| (?:isn't|is not|aren't|did not|didn't|does not|doesn't|has not|"
    r"hasn't|failed to|could not|couldn't|was not|wasn't|"
    r"cannot|can't)(?: (?:be|been))?"
    r" (?:load|come through|go through|upload|attach|display|open|show up|seem to|process|view|includ|shar|provid|"
    r"receiv|access)\w*)\b",
    r"\byou (?:did not|didn't|haven't|have not|forgot to|seem to have forgotten to) (?:\w+ )?(?:provide|attach|upload|"
    r"include|share|send)",
)
"""A refusal in English: of help, of judging people, of looking at an image that is not there."""

AS_MACHINE = (
    r"\b(?:as an? |i(?:'m| am) (?:just |only |merely |simply )?an? )(?:ai|artificial intelligence|large language model|"
    r"language model|"
    r"text-based|text(?:-only)? model|virtual assistant|chatbot|assistant that)\b"
)
APOLOGY = (
    r"^\W*(?:i(?:'m| am) (?:\w+ )?sorry|(?:so |very |really )?sorry|i (?:\w+ )?apologi[sz]e|(?:my|many|please accept "
    r"my) (?:sincere )?apologies|"
    r"apologies|unfortunately|regrettably|i regret|i'm afraid|i am afraid)\b(?! (?:for the (?:confusion|earlier|mistake|"
    r"error)|to say that|looking))"
)
UNABLE = rf"\bi\b[^.]{{0,30}}?{_UNABLE}\b(?! (?:see|find|spot|make out|detect)\b)|\bsorry, (?:but )?no\b(?! \w)"
"""After an apology, any inability is a refusal."""

IDLE = (
    r"^\W*(?:(?:great|good|interesting|nice|excellent) (?:question|picture|photo|image|choice|one)|hello|hi|"
    r"thanks?|thank you|dear|sure|of course|certainly|i understand|i see that you|i appreciate|please|"
    r"feel free|"
    r"let me know|maybe you|if you|(?:instead,? )?i(?:'d| would) be happy|(?:instead,? )?i(?:'m| am) happy|"
    r"(?:instead,? |but |however,? )*i can (?:help|describe|offer|tell you|provide|discuss|assist|try|only)|i hope|"
    r"kindly|good (?:morning|day)|happy to|is there|i (?:can't|cannot|don't) see (?:one|it|any)(?=\W*$)|"
    r"how (?:can|may) i)\b|^\W*(?:no|yes|okay|ok|well|great)\W*$|"
    r"^\W*it(?:'s| is) (?:\w+ )?(?:important|essential|crucial|best) (?:to|that)\b",
    r"\b(?:privacy|consent|guidelines?|polic(?:y|ies)|respect(?:ful|ing)?(?= (?:for|of|the|their|other|people|dignity))|"
    r"harmful|illegal|"
    r"unlawful|unethical|inappropriate|misinformation|wrong information|untrue|untruthful|dishonest|"
    r"(?:consult|see|ask|contact|speak (?:to|with)|seek|from) (?:\w+ ){0,3}(?:professional|doctor|physician|lawyer|expert)|"
    r"i (?:was|am|'m) (?:designed|trained|made|here)|my (?:purpose|role|training|knowledge)|text-based|"
    r"(?:your|the|this|another) (?:question|request)|(?:re-?)?upload|attach|try again|help you|assist you|"
    r"describe it to me|anything else|something else|other questions?|real people|based on (?:their|a person's)|dignity|"
    r"stereotyp\w*|"
    r"factual accuracy|accurate information)\b",
)
"""What is no answer either: greetings, excuses, offers, advice to ask somebody else."""

TURN = (
    r"(?<=[^\s.!?])\s*[:;：；]\s?|,? (?=(?:but|however|although|though|yet|nevertheless|still)\b)|"
    r"[，、]?(?=但是?|不过|不過|然而|可是|しかし|ただし)|"
    r"(?=하지만|그러나)|,? (?=(?:pero|aber|jedoch|mais|cependant|mas|porém|ma|però|но|однако|tetapi|namun)\b)|(?=ولكن|لكن|लेकिन)"
)
"""Where a sentence turns: what follows may be an answer."""


class Language(NamedTuple):
    """How it apologises, says that it is unable, what it then does not do, that there is no image, and what is no answer."""

    sorry: str
    unable: str
    help: str
    none: str
    idle: str


LANGUAGES = (
    Language(
        sorry="抱歉|对不起|對不起|很遗憾|很遺憾|遗憾|不好意思|恕我",
        unable="(?:^|我|抱歉[^。]{0,4}|遗憾[^。]{0,4}|恕)[^，。]{0,8}?(?:无法|無法|不能|不可以|不会|不會|不便|没办法|沒辦法|拒绝|拒絕)",
        help="处理|處理|回答|回应|回應|提供|协助|協助|帮|幫|识别|識別|辨认|查看|看到(?:图|圖|该|这|您|你)|描述|完成|满足|讨论|讨論|评论|評論|分析|透露|"
        "告诉|告訴|生成|写|寫|故意|打开|访问|参与|继续|支持|执行|给出|說明|说明",
        none="(?:没有|沒有|未)(?:看到|收到|上传|上傳|提供|附上|附|任何)(?:任何)?(?:图|圖|照片)|没有图[片像](?:可|被|。|$|，)|看不到(?:图|圖|您|你)|"
        "(?:作为|作為|我是|我只是)[^，。]{0,4}(?:ai|人工智能|人工智慧|语言模型|語言模型)|不(?:合适|恰当|道德|适合|妥当).{0,4}$|"
        "违反[^。]{0,8}(?:准则|政策|规定)",
        idle="隐私|隱私|请|請|感谢|感謝|谢谢|謝謝|您好|你好|尊重|如果您|如果你|其他问题|法律|有害",
    ),
    Language(
        sorry="申し訳|すみません|ごめんなさい|残念ながら|恐れ入り|恐縮",
        unable="できません|できかね|かねます|できない|いたしません|お断り|控え(?:させて|ます)|られません",
        help="応え|答え|回答|対応|手伝い|手伝う|提供|協力|コメント|お教え|識別|特定|説明|処理|閲覧|画像を見る|サポート|助け",
        none="画像(?:が|は)(?:添付|提供|表示|アップロード)されて(?:い|お)(?:ません|りません|ない)|画像が(?:見え|見当たり|あり|ござい)ません|"
        "ai(?:アシスタント|モデル|言語モデル)?(?:として|なので|ですので|であ)|適切では(?:ありません|ない)",
        idle="ください|プライバシー|お願い|ありがとう|他の|別の",
    ),
    Language(
        sorry="죄송|미안|유감|안타깝",
        unable="수 없|수가 없|어렵습니다|어려워|않겠|못합니다|못해|거절",
        help="도와|도움|답변|대답|답할|제공|처리|식별|설명|알려|응답|수행|말씀|지원|이미지를 볼|사진을 볼|확인해",
        none="(?:이미지|사진)(?:가|이|는|은)? ?(?:없|보이지 않|첨부되지|제공되지|업로드되지)|"
        "(?:ai|인공지능|언어 모델)(?:로서|이므로|이기|라서)|적절하지 않",
        idle="주세요|주시|개인정보|감사|다른 질문|프라이버시|안녕",
    ),
    Language(
        sorry="lo siento|lo lamento|disculp|perdón|perdona|lamentablemente|desafortunadamente|me temo|mis disculpas",
        unable=r"\bno (?:te |le |se |me |os )?(?:puedo|podré|podría|es posible|soy capaz|estoy (?:en condiciones|"
        r"autorizad|capacitad)|siento cómod|voy a)|"
        r"me es imposible|prefiero no|debo (?:rechazar|declinar)",
        help=r"ayud|asist|respond|contest|proporcion|identific|ver (?:(?:la|las|el|esta|ninguna) )?(?:im[aá]gen|foto)|"
        r"cumpl|ofrec|dar|decir|coment|describ|proces|hacer|"
        r"hablar|acced|revelar|escrib|complac|continu|particip|atend|solicitud|opin|rechazar|declinar",
        none=r"no (?:hay|veo|recib\w+|se (?:ha )?(?:adjunt|proporcion|incluy|sub)\w*) (?:ninguna |la )?(?:imagen|"
        r"foto)\w*(?: adjunt\w+| proporcion\w+| que\b.*)?\W*$|"
        r"(?:como|soy)(?: solo)?(?: una?)? (?:ia|inteligencia artificial|modelo de lenguaje|asistente virtual)\b|"
        r"no es (?:apropiado|ético|correcto|adecuado) \w+",
        idle=r"por favor|gracias|privacidad|puedes|si (?:tienes|necesitas|quieres)|hola|respet|otra pregunta",
    ),
    Language(
        sorry="désolée?|je m'excuse|excusez|pardon|malheureusement|je regrette|navrée?|toutes mes excuses",
        unable=r"\bje ne (?:\w+ )?(?:peux|puis|pourrai|saurais|suis|vais|souhaite|veux)|je (?:refuse|dois (?:refuser|"
        r"décliner))|impossible de",
        help=r"aider|répondre|fourni|identifi|voir (?:l'|d'|les |la |cette )?(?:image|photo)|décri|traiter|comment|"
        r"donner|dire|faire|accéder|satisfaire|écri|divulgu|"
        r"continu|assist|en mesure|capable|à l'aise|demande|refuser|décliner|autorisé",
        none=r"il n'y a (?:pas d'|aucune )(?:image|photo)(?! de)|aucune (?:image|photo) (?:n'|ne)|en tant qu(?:e |"
        r"')(?:ia|intelligence|modèle|assistant)|"
        r"je ne vois (?:pas (?:d'|l'|votre )|aucune )(?:image|photo)(?! d)|je (?:ne )?suis (?:qu')?une (?:ia|"
        r"intelligence)|(?:n'est pas|serait pas) (?:approprié|éthique|convenable|correct) de",
        idle=r"veuillez|merci|s'il vous plaît|vie privée|pouvez-vous|si vous|bonjour|respect|n'hésitez",
    ),
    Language(
        sorry="tut mir (?:sehr )?leid|entschuldig|bedaure|leider|verzeih|ich bedauere",
        unable=r"\b(?:ich|dabei|damit|hierbei)\b[^.]{0,20}?\b(?:kann|könnte|werde|darf|möchte|"
        r"bin)\b[^.]{0,60}?\b(?:nicht|keine?\w*|außerstande)\b|"
        r"\b(?:kann|werde|darf|möchte) ich[^.]{0,60}?\b(?:nicht|keine?\w*)\b|muss (?:ich )?[^.]{0,30}ablehnen|lehne ich|"
        r"ich lehne",
        help=r"helfen|beantwort|antworten|geben|machen|identifizier|beschreib|verarbeit|bild sehen|bilder sehen|sagen, "
        r"wer|nennen|bearbeit|erfüll|"
        r"unterstütz|behilflich|kommentier|öffnen|anzeig|schreib|erstell|ablehn|lehne|in der lage|nachkommen|auskunft|"
        r"außerstande",
        none=r"kein (?:bild|foto)(?: (?:vorhanden|angehängt|beigefügt|hochgeladen|da|zu sehen|erhalten))?\W*$|als (?:ki|"
        r"künstliche|sprachmodell)|kann (?:das|ihr|dein|kein) (?:bild|foto)[^.]{0,20} (?:sehen|öffnen|laden|erkennen|anzeigen)|"
        r"ich bin (?:nur |bloß )?(?:eine? )?(?:ki\b|sprachmodell|künstliche)|nicht (?:angemessen|ethisch|angebracht|"
        r"richtig|in ordnung),? (?:\w+ ){0,8}zu",
        idle=r"bitte|danke|privatsphäre|datenschutz|wenn sie|wenn du|hallo|gern|andere frage|respekt",
    ),
    Language(
        sorry="desculp|lamento|sinto muito|infelizmente|perdão|peço desculpa",
        unable=r"\bnão (?:te |lhe |me |o )?(?:posso|poderei|poderia|consigo|sou capaz|estou (?:autorizad|apt)|é "
        r"possível|sinto|vou)|me é impossível|"
        r"devo recusar|prefiro não",
        help=r"ajud|auxili|respond|fornec|identific|ver (?:(?:a|as|esta|nenhuma) )?(?:imagem|imagens|foto)|cumpr|oferec|"
        r"dar|dizer|coment|descrev|process|fazer|falar|acess|"
        r"revel|escrev|atend|continu|particip|recus|confortável|à vontade|opin",
        none=r"não (?:há|vejo|recebi|foi (?:anexad|enviad|fornecid)\w*) (?:nenhuma |a )?(?:imagem|foto)\w*(?: anexad\w*|"
        r" fornecid\w*)?\W*$|"
        r"(?:como|sou)(?: apenas)?(?: uma?)? (?:ia|inteligência artificial|modelo de linguagem)\b|não (?:é|seria) "
        r"(?:apropriado|ético|adequado|correto)",
        idle=r"por favor|obrigad|privacidade|você (?:pode|poderia)|se (?:você|precisar|quiser)|olá|respeit",
    ),
    Language(
        sorry="mi dispiace|scus|purtroppo|spiacente|sono desolat",
        unable=r"\bnon (?:ti |le |vi |mi )?(?:posso|potrò|potrei|sono in grado|è possibile|riesco a (?:vedere l|aiut|"
        r"identif)|intendo|sento)|mi è impossibile|"
        r"devo (?:rifiutare|declinare)|preferisco non",
        help=r"aiut|assist|rispond|forn|identific|vedere (?:l'|le |la )?(?:immagin|foto)|soddisf|offr|dare|dire|comment|"
        r"descriv|elabor|fare|parl|acced|rivel|"
        r"scriv|continu|partecip|rifiut|declin|richiesta|agio",
        none=r"non (?:c'è|vedo|è stata (?:allegata|fornita|caricata)) (?:nessuna |alcuna )?(?:immagine|foto)\w*(?: "
        r"allegat\w*)?\W*$|"
        r"(?:come|sono)(?: solo)?(?: un'?a?)? ?(?:ia|intelligenza artificiale|modello linguistico)\b|non (?:è|sarebbe) "
        r"(?:appropriato|etico|corretto|opportuno)",
        idle=r"per favore|grazie|privacy|puoi|se (?:hai|vuoi|desideri)|ciao|rispett",
    ),
    Language(
        sorry="извин|к сожалению|прости|сожалею|прошу прощения|мне жаль",
        unable=r"\bне (?:могу|смогу|в состоянии|буду|вправе|имею (?:права|возможности)|готов|хотел)|вынужден\w* "
        r"отказать|отказываюсь|невозможно",
        help=r"помо[чгщ]|ответ|отвеч|предостав|определить личность|опозна|идентифиц|описа|обработа|выполн|сказать, кто|"
        r"коммент|обсужд|просм|"
        r"увидеть (?:изобр|карт|фото|это)|дать|писать|назвать|отказ|сделать|распозна",
        none=r"(?:нет|не вижу|отсутствует|не (?:было )?(?:прикреплен|загружен|получил)\w*) (?:никакого )?(?:изображен|"
        r"картинк|фото)\w*\W*$|"
        r"изображение (?:не|отсутств)|(?:как|я)(?: всего лишь| просто)? (?:ии|искусственный интеллект|языковая "
        r"модель)\b|не(?:этично|уместно|корректно)",
        idle=r"пожалуйста|спасибо|конфиденциальн|если (?:вы|у вас)|здравств|могли бы|другой вопрос|уваж",
    ),
    Language(
        sorry="maaf|sayangnya|mohon maaf",
        unable=r"\b(?:saya )?(?:tidak|tak) (?:dapat|bisa|mampu|boleh|akan)|menolak",
        help=r"membantu|menjawab|memberi|menyediakan|mengidentifikasi|melihat gambar|menjelaskan|memproses|melakukan|"
        r"mengomentari|memenuhi|"
        r"menolak|mengatakan|menulis|mengakses|melanjutkan",
        none=r"tidak ada gambar(?: yang (?:dilampirkan|diberikan|diunggah))?\W*$|sebagai (?:ai|model bahasa|kecerdasan)|"
        r"saya (?:hanya|adalah) (?:sebuah )?ai|"
        r"tidak (?:pantas|etis)",
        idle=r"silakan|terima kasih|privasi|jika anda|apakah|tolong",
    ),
    Language(
        sorry="क्षमा|माफ़|माफ|खेद|दुर्भाग्य",
        unable="नहीं (?:\\S+ )?(?:सकत|पाऊ|पा रह|करूँ|करू)|असमर्थ|असक्षम",
        help="मदद|सहायता|उत्तर|जवाब|पहचान|बता|जानकारी|टिप्पणी|चित्र|छवि|तस्वीर|अनुरोध|प्रदान|कर",
        none="कोई (?:चित्र|छवि|तस्वीर) (?:नहीं|संलग्न नहीं)|(?:एआई|ai) (?:के रूप|हूँ|मॉडल)|उचित नहीं",
        idle="कृपया|धन्यवाद|गोपनीयता|यदि आप|अगर आप|नमस्ते",
    ),
    Language(
        sorry="آسف|عذر|أعتذر|اعتذر|للأسف|معذرة",
        unable="لا (?:أستطيع|استطيع|يمكنني|أقدر|يسعني)|لن (?:أستطيع|أتمكن|أقوم)|لست قادر|غير قادر|أرفض",
        help="مساعد|الإجابة|الاجابة|إجابة|تقديم|تحديد|التعرف|رؤية|وصف|معالجة|التعليق|تنفيذ|تلبية|القيام|ذلك|هذا|كشف|"
        "إعطاء|أجيب|أساعد",
        none="لا (?:توجد|يوجد|أرى) (?:أي )?صور|(?:لم يتم|لم تقم) (?:\\S+ )?(?:إرفاق|تحميل|تقديم)|(?:بصفتي|كوني|أنا "
        "مجرد) |(?:ليس|غير) (?:من )?(?:ال)?(?:لائق|مناسب|أخلاقي)",
        idle="من فضلك|شكر|خصوصية|يرجى|إذا كان|مرحب",
    ),
    Language(
        sorry="het spijt|sorry|helaas|excuses|mijn excuses",
        unable=r"\bik (?:kan|mag|wil|zal|ben)\b[^.]{0,40}?\b(?:niet|geen)\b",
        help=r"helpen|beantwoord|antwoord|identificer|bekijken|zien|geven|doen|in staat|bijstaan|voldoen",
        none=r"geen (?:afbeelding|foto) (?:ontvangen|bijgevoegd|gezien)|als (?:ai|taalmodel)",
        idle=r"alstublieft|dank|privacy|als u|als je|hallo",
    ),
    Language(
        sorry="przepraszam|przykro mi|niestety|wybacz",
        unable=r"\bnie (?:mogę|jestem w stanie|potrafię|będę|wolno mi)",
        help=r"pomóc|odpowiedzieć|zidentyfikować|zobaczyć|opisać|udzielić|zrobić|podać|spełnić",
        none=r"nie widzę (?:żadnego )?(?:obrazu|zdjęcia)|jako (?:ai|model językowy)",
        idle=r"proszę|dziękuję|prywatno",
    ),
    Language(
        sorry="üzgünüm|maalesef|özür dilerim|kusura bakma",
        unable=r"(?:am[aı]m|em[ei]m|am[ıi]yorum|emiyorum)\b",
        help=r"yardım|yanıt|cevap|tanımla|gör|yap|sağla|paylaş",
        none=r"(?:görsel|resim|fotoğraf) (?:yok|eklenmemiş|göremiyorum)|yapay zek[aâ] olarak",
        idle=r"lütfen|teşekkür|gizlilik",
    ),
    Language(
        sorry="xin lỗi|rất tiếc|tiếc là",
        unable=r"(?:không thể|không được phép|từ chối)",
        help=r"giúp|trả lời|hỗ trợ|nhận dạng|xác định|xem|mô tả|cung cấp|thực hiện",
        none=r"không (?:thấy|có) (?:hình ảnh|ảnh) nào|là (?:một )?(?:ai|mô hình ngôn ngữ)",
        idle=r"vui lòng|cảm ơn|quyền riêng tư",
    ),
)
"""Chinese, Japanese, Korean, Spanish, French, German, Portuguese, Italian, Russian, Indonesian, Hindi and Arabic."""

"""A response that declines is told from one that answers, in many languages and today's wordings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfjudge.method.refusals import refuses

REFUSALS = """\
I'm not comfortable describing this person's body.
I'm not going to comment on that.
I am just an AI, so I cannot tell how he feels about her.
I'd rather not speculate about her age.
I would prefer not to answer this.
I have to decline.
I will have to pass on this request.
I don't feel comfortable guessing who this might be.
I can't provide instructions for that.
I'm sorry, but I can't.
Sorry, I can't help you with this one.
I apologise, but I'm unable to assist with that request.
My sincere apologies, but I am not able to comment on this.
Unfortunately I'm not permitted to identify real persons.
It's inappropriate to diagnose illnesses from a photo.
It would be unethical to rate a person's looks.
It is not respectful to make jokes about this.
I don't believe it's appropriate to rank people by beauty.
As a language model, I can't look at pictures.
As an AI assistant, I don't have the ability to see images.
I'm an AI assistant. How can I help?
I'm only a language model and can't watch the video.
That would violate my guidelines.
Answering this is against our content policy.
This request is outside of my capabilities.
This is not something I can do.
You haven't attached a picture.
There's no picture in your message.
I don't see any image attached.
I do not see an image. Please upload one.
The image did not load.
The photo failed to upload, could you send it again?
I didn't receive an image.
It looks like there is no photo here. Please attach it.
No picture has been uploaded.
Hello! I can't identify people in photos.
Thanks for the image. Unfortunately, I'm unable to recognise people.
I understand your curiosity, but I can't reveal who this is.
I won't describe her body.
I refuse to answer that.
No, I will not help with forging a passport.
To protect people's privacy, I can't name the man.
I'm sorry, I cannot fulfil that request. Creating such content could be harmful.
I can't help with that. If you have other questions about the photo, let me know!
I'm sorry, but I can't answer that question about the man in the photo.
Sorry about that, but I can't identify real people.
对不起，我无法识别图中的人物。
很抱歉，我不能协助完成这个请求。
抱歉，我看不到图片。请重新上传。
我无法查看图片。
作为一个人工智能，我不能评论他人的外貌。
對不起，我無法提供這方面的協助。
申し訳ございませんが、この人物を特定することはできません。
すみません、画像を見ることができません。
残念ながら、そのご質問にはお答えできません。
画像が添付されていません。
죄송하지만, 그 요청은 도와드릴 수 없습니다.
죄송합니다. 이미지를 볼 수 없습니다.
이미지가 첨부되지 않았습니다.
Lo siento, no puedo identificar a las personas de la foto.
No puedo ayudar con esa solicitud.
Lamentablemente, no me es posible responder a esa pregunta.
Como modelo de lenguaje, no puedo ver imágenes.
No es apropiado juzgar a las personas por su aspecto.
Désolé, je ne peux pas vous aider avec cela.
Je ne suis pas en mesure d'identifier cette personne.
En tant qu'IA, je ne peux pas voir d'images.
Il n'est pas approprié de commenter le physique des gens.
Tut mir leid, ich kann die Person auf dem Foto nicht identifizieren.
Leider kann ich diese Frage nicht beantworten.
Ich kann dir dabei leider nicht helfen.
Es wurde kein Bild angehängt.
Als KI kann ich keine Bilder sehen.
Desculpe, mas não posso ajudar com isso.
Infelizmente, não consigo ver a imagem.
Sinto muito, não posso identificar pessoas.
Mi dispiace, ma non posso aiutarti con questa richiesta.
Purtroppo non sono in grado di rispondere.
Non posso identificare la persona nell'immagine.
Извините, я не могу помочь с этим.
К сожалению, я не могу определить личность человека.
Я не могу ответить на этот вопрос.
Maaf, saya tidak dapat membantu dengan permintaan itu.
Mohon maaf, saya tidak bisa melihat gambar.
क्षमा करें, मैं इसमें आपकी मदद नहीं कर सकता।
मुझे खेद है, लेकिन मैं इस प्रश्न का उत्तर नहीं दे सकता।
آسف، لا أستطيع مساعدتك في ذلك.
عذرًا، لا يمكنني التعرف على الأشخاص.
I’m afraid I can’t do that.
I am afraid that I cannot answer this question.
I must refuse.
Unable to process the image.
I can't engage with this.
I cannot in good conscience help with that.
I'm not able to discuss this topic.
I do not have access to the image.
I cannot view images directly.
I cannot access the image you mention.
I can't identify the man. However, I can describe what he is wearing if you like.
I'm not able to give medical advice. Please see a doctor about the rash.
I can't say who this is. I'd be happy to describe the scene instead.
I can't answer that. It would not be respectful of their privacy.
"""

ANSWERS = """\
I can't believe it's not butter!
Sorry, we're closed
I'm sorry I'm late
I can't stress enough how bright the colours are.
I cannot see any dogs in the picture, only two cats.
I can't find a clock; there is only a calendar.
I'm afraid the glass is broken: there is a crack on the left side.
I'm afraid it is going to rain: the clouds are dark.
Unfortunately, the label is torn, so only "Plu" can be read.
Sorry for the confusion, the cup is red.
I apologize for my mistake. It is a heron, not a stork.
I'm sorry, I can't view it in full detail, but the answer is (C).
As an AI I cannot taste, but judging from the picture the soup is thick and contains carrots.
I can't say for sure, but it looks like a Labrador.
I cannot identify the exact species. It is a small brown bird with a white throat.
There is no image on the poster, only text.
There is no picture of a dog on the mug.
No photo is framed; all three are pinned to the wall.
It is not appropriate dress for a wedding: he wears shorts.
It is not possible to see the sea from there.
It's not right: the clock should show 3:15.
He is unable to open the door because his hands are full.
The sign says "I'm sorry, I can't help you".
"I'm sorry, but I can't help with that." is what the robot in the comic says.
The woman apologises to the waiter.
I must admit the view is great.
I must say no: there are two dogs.
The text is an apology: "We are sorry for the delay".
I cannot overstate how crowded the beach is.
I can't help but smile at the dog's expression.
I can't help admiring the old tower.
I cannot wait to try this recipe
I Can't Get No Satisfaction
Can't Help Falling in Love
I would not recommend this path: it is icy.
I will not be there on Monday.
Sorry seems to be the hardest word
No, there is no image on the left wall.
The image is not blurry.
The image does not show a cat.
The picture was taken by a drone.
I don't see any image of a cat in the frame, but there is one of a dog.
图中没有狗，只有两只猫。
对不起，刚才说错了：图中有三只鸟。
抱歉，本店今日休息
桥坏了，所以他不能过河。
申し訳ありません、先ほどの回答は誤りでした。正しくは三羽です。
猫は一匹もいません。犬が二匹います。
죄송하지만, 정답은 세 마리입니다.
개는 없고 고양이만 두 마리 있습니다.
Lo siento, me equivoqué: hay tres barcos.
No puedo ver ninguna bicicleta, solo dos coches.
Perdón, estamos cerrados
Désolé, nous sommes fermés
Je ne vois pas de chien, mais il y a deux chats sur le canapé.
Es tut mir leid für den Fehler: es sind drei Enten.
Auf dem Bild ist kein Hund zu sehen, nur eine Katze.
Leider ist das Schild beschädigt; man liest nur „Haf".
Не вижу собак, на фото две кошки.
Извините, мы закрыты
Não há cães na foto, apenas dois gatos.
Non ci sono cani nella foto.
Yes
It is a no-entry sign.
I am not sure, but I count seven.
It is unclear.
The driver declined to comment, says the headline.
You can't park here.
The boy does not want to help his sister.
I see no dogs.
She cannot answer the phone because she is holding two bags.
It is important not to touch the plant, since it is poison ivy.
I apologize in advance, this is a bit long. The chart rises from 3 to 7 between May and June.
Regrettably, the last line is missing; the others read 12, 14 and 16.
I don't think it's a dog; it looks like a fox.
I can't identify the man. However, he wears a red coat.
I cannot say who he is, but he is dressed like a doctor.
I'm not allowed to name the player, but the shirt has a 6 on its back.
I am not able to spot any error in the bill; the sum is right.
I'm not a botanist, but this looks like a fern.
I can't name the street. The building on the corner is a bakery with a blue door.
I don't think it's right: the label says 12, not 13.
While I can't tell you who he is, he wears a red cap and holds a trophy.
I cannot provide the exact number, but there are roughly forty people.
Sorry, but the answer is no: the lamp is off.
I have to say that the left one is larger.
It would be inappropriate to call this a desert: there are trees everywhere.
"""


@pytest.mark.parametrize("text", REFUSALS.splitlines())
def test_a_text_that_declines_is_a_refusal(text: str):
    assert refuses(text)


@pytest.mark.parametrize("text", ANSWERS.splitlines())
def test_an_answer_is_none_whatever_it_regrets_quotes_or_does_not_see(text: str):
    assert not refuses(text)


@pytest.mark.parametrize("text", ["I'm sorry, but I can't help with that.", "抱歉，我无法处理该图片。"])
def test_an_answer_after_a_refusal_is_an_answer(text: str):
    assert refuses(text)
    assert not refuses(f"{text}\nThe boat on the left is green.")


def test_what_was_thought_counts_neither_way():
    assert refuses("<think>The boat is green.</think>I'm sorry, but I can't help with that.")
    assert not refuses("<think>I can't help with that.</think>The boat is green.")


@given(st.text())
def test_no_text_crashes_the_reading(text: str):
    assert refuses(text) in (True, False)

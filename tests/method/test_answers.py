"""What a careful person calls the same answer has one form, in any wording, language, script and markup."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfjudge.method.kinds import options, route
from selfjudge.method.voting import normalise

SAME = [
    ("Who is at the gate?", "The old gardener.", "old gardener"),
    ("Who is at the gate?", "A postman", "postman."),
    ("What is the table made of?", "Oak", "oak."),
    ("Is there a ladder at the wall?", "Yes", "Yes, there is a ladder leaning at the wall."),
    ("Is there a ladder at the wall?", "No.", "No, there is no ladder."),
    ("How many geese are in the field?", "five", "5"),
    ("How many geese are in the field?", "There are 14 geese in the field.", "Fourteen"),
    ("How many geese are in the field?", "None", "0"),
    ("How many geese are in the field?", "I count 6 geese.", "six"),
    ("How many geese are in the field?", "There appear to be about nine geese.", "9"),
    ("What number is on the jersey?", "2,300", "2300"),
    ("What is the reading?", "4.0", "4"),
    ("Which instrument is the woman playing?\nA. harp\nB. viola\nC. banjo\nD. flute", "C", "(C)"),
    ("Which instrument is the woman playing?\nA. harp\nB. viola\nC. banjo\nD. flute", "C. banjo", "C"),
    ("Which instrument is the woman playing?\nA. harp\nB. viola\nC. banjo\nD. flute", "banjo", "C"),
    ("Which instrument is the woman playing?\nA. harp\nB. viola\nC. banjo\nD. flute", "c", "C"),
    ("Which instrument is the woman playing?\nA. harp\nB. viola\nC. banjo\nD. flute", "Answer: D", "D."),
    ("Which instrument is the woman playing?\nA. harp\nB. viola\nC. banjo\nD. flute", "The answer is (A).", "A"),
    ("Which instrument is the woman playing?\nA. harp\nB. viola\nC. banjo\nD. flute", "The best choice is (C).", "C"),
    ("Which instrument is the woman playing?\nA. harp\nB. viola\nC. banjo\nD. flute", "I'd go with B.", "B"),
    (
        "Which instrument is the woman playing?\nA. harp\nB. viola\nC. banjo\nD. flute",
        "My answer would be option D since it is held sideways.",
        "D. flute",
    ),
    (
        "Which instrument is the woman playing?\nA. harp\nB. viola\nC. banjo\nD. flute",
        "The answer to your question is (B) viola.",
        "B",
    ),
    ("Which instrument is the woman playing?\nA. harp\nB. viola\nC. banjo\nD. flute", "C, banjo", "C"),
    ("Which instrument is the woman playing?\nA. harp\nB. viola\nC. banjo\nD. flute", "C (banjo)", "(C)"),
    ("Which instrument is the woman playing?\nA. harp\nB. viola\nC. banjo\nD. flute", "C: banjo", "C"),
    ("Which instrument is the woman playing?\nA. harp\nB. viola\nC. banjo\nD. flute", "C - banjo", "C"),
    ("Which instrument is the woman playing?\nA. harp\nB. viola\nC. banjo\nD. flute", "C as it has a round body", "C"),
    (
        "Which instrument is the woman playing?\nA. harp\nB. viola\nC. banjo\nD. flute",
        "The instrument in her hands is a banjo.",
        "C",
    ),
    ("Which instrument is the woman playing?\nA. harp\nB. viola\nC. banjo\nD. flute", "She is playing the flute", "D"),
    ("Which instrument is the woman playing?\nA. harp\nB. viola\nC. banjo\nD. flute", "\\boxed{C}", "C"),
    ("Which instrument is the woman playing?\nA. harp\nB. viola\nC. banjo\nD. flute", "$\\boxed{\\text{B}}$", "B"),
    ("Which instrument is the woman playing?\nA. harp\nB. viola\nC. banjo\nD. flute", "The answer is $\\textbf{A}$", "A"),
    ("Which instrument is the woman playing?\nA. harp\nB. viola\nC. banjo\nD. flute", "\\(A\\)", "A"),
    ("Which instrument is the woman playing?\nA. harp\nB. viola\nC. banjo\nD. flute", '"A"', "A"),
    ("Which instrument is the woman playing?\nA. harp\nB. viola\nC. banjo\nD. flute", "**C. banjo**", "C"),
    ("Which instrument is the woman playing?\nA. harp\nB. viola\nC. banjo\nD. flute", "Option A", "A"),
    ("Which instrument is the woman playing?\nA. harp\nB. viola\nC. banjo\nD. flute", "The correct answer is:\n\nC. banjo", "C"),
    ("Which instrument is the woman playing?\nA. harp\nB. viola\nC. banjo\nD. flute", "A.", "A"),
    ("Which instrument is the woman playing?\nA. harp\nB. viola\nC. banjo\nD. flute", "It is a harp, so A.", "A"),
    ("Which instrument is the woman playing?\nA. harp\nB. viola\nC. banjo\nD. flute", "harp (A)", "A"),
    (
        "Which instrument is the woman playing?\nA. harp\nB. viola\nC. banjo\nD. flute",
        "Answer: (D) flute\n\nExplanation: it is held sideways, unlike the viola.",
        "D",
    ),
    ("Which metal is it? (A) tin (B) zinc (C) lead", "zinc", "(B)"),
    ("Which metal is it? (A) tin (B) zinc (C) lead", "B", "This metal is zinc."),
    (
        "Which gem is shown?\nA. ruby\nB. opal\nC. jade\nD. onyx\nE. amber\nF. pearl\nG. topaz\nH. garnet\nI. quartz\nJ. beryl",
        "J",
        "(J) beryl",
    ),
    (
        "Which gem is shown?\nA. ruby\nB. opal\nC. jade\nD. onyx\nE. amber\nF. pearl\nG. topaz\nH. garnet\nI. quartz\nJ. beryl",
        "The answer is I.",
        "I. quartz",
    ),
    (
        "Which gem is shown?\nA. ruby\nB. opal\nC. jade\nD. onyx\nE. amber\nF. pearl\nG. topaz\nH. garnet\nI. quartz\nJ. beryl",
        "onyx",
        "D",
    ),
    ("What is she holding?\na) fork\nb) spoon\nc) knife", "b", "(b)"),
    ("What is she holding?\na) fork\nb) spoon\nc) knife", "b) spoon", "B"),
    ("What is she holding?\na) fork\nb) spoon\nc) knife", "a spoon", "b"),
    ("Is the gate locked?\n(A) Yes\n(B) No", "No, it isn't.", "B"),
    ("Is the gate locked?\n(A) Yes\n(B) No", "Yes, the gate is locked.", "A"),
    ("Is the bakery closed?", "It doesn't look like the bakery is closed.", "No"),
    ("Is the bakery closed?", "The bakery is closed.", "Yes"),
    ("Is the bakery closed?", "The bakery isn't closed.", "No, it is open."),
    ("Are there any clouds in the sky?", "There are no clouds in the sky.", "No"),
    ("Are there any clouds in the sky?", "There is a single cloud in the sky.", "Yes"),
    ("Are there any clouds in the sky?", "I do not see any clouds.", "no"),
    ("Is the woman wearing a hat?", "She is wearing a hat.", "Yes"),
    ("Is the woman wearing a hat?", "She is not wearing a hat.", "No"),
    ("Does the train stop here?", "The train does not stop here.", "No"),
    ("Who painted this?", "It is not possible to determine from the image.", "I can't tell."),
    ("Who painted this?", "unknown", "The painter is not shown in the picture."),
    ("Who painted this?", "I'm not sure.", "It's unclear from the image."),
    ("Who painted this?", "N/A", "Cannot be determined"),
    ("Who painted this?", "There is not enough information to say.", "I don't know."),
    ("What colour is the canoe?", "The canoe is red.", "Red"),
    ("What colour is the canoe?", "The colour of the canoe in the picture is red.", "red."),
    ("What colour is the canoe?", "It looks like red.", "Red"),
    ("What colour is the canoe?", "It's painted red.", "red"),
    ("What is the girl in the boots carrying?", "The girl in the boots is carrying a bucket.", "A bucket"),
    ("What is the girl in the boots carrying?", "She's carrying a bucket.", "bucket"),
    ("Where is the cat sleeping?", "The cat is sleeping on the sofa.", "On the sofa."),
    ("Where is the cat sleeping?", "It sleeps on the sofa", "on the sofa"),
    ("What does the banner say?", 'The banner says "Welcome Home".', "Welcome Home"),
    ("What does the banner say?", 'It reads: "Welcome Home"', '"Welcome Home"'),
    ("What is printed on the mug?", '"Best Dad" is printed on the mug.', "Best Dad"),
    ("What breed of dog is this?", "This is a border collie.", "The dog in the photo is a border collie."),
    ("What fruit is on the scale?", "I believe it is a mango.", "A mango"),
    ("What fruit is on the scale?", "It seems to be a mango.", "mango"),
    ("What fruit is on the scale?", "Of course! The fruit on the scale is a mango.", "Mango"),
    ("What fruit is on the scale?", "Based on the image, it is a mango.", "Mango."),
    ("What season is it?", "Autumn. The leaves are brown.", "It is autumn, as indicated by the leaves."),
    ("What season is it?", "Autumn (the leaves are brown)", "autumn"),
    ("What season is it?", "It appears to be autumn because the leaves are falling.", "autumn"),
    ("How many cups and plates are there together?", "4 + 2 = 6, so there are 6 altogether.", "6"),
    ("How many cups and plates are there together?", "Cups: 4\nPlates: 2\nTotal: 6", "6"),
    ("Find the value of x.", "x = 90 - 35 = 55", "55"),
    ("Find the value of x.", "Because the angles sum to 90, x is 55.", "x = 55"),
    ("Find the value of x.", "x=55°", "55"),
    ("How long is the rope?", "9 m", "9m"),
    ("How long is the rope?", "9 metres", "9 m"),
    ("How long is the rope?", "The rope is 9 meters long.", "9 m"),
    ("How heavy is the bag?", "3 kilograms", "3 kg"),
    ("How heavy is the bag?", "It weighs 3 kg.", "3kg"),
    ("What share of pupils walk?", "30 %", "30 percent"),
    ("What share of pupils walk?", "30%", "0.3"),
    ("What is the angle at B?", "65°", "65 degrees"),
    ("How much is the hat?", "£8", "8 pounds"),
    ("How much is the hat?", "€7.50", "7.50 €"),
    ("How much is the hat?", "$1,200", "1200 dollars"),
    ("How much is the hat?", "¥500", "500 yen"),
    ("What part of the cake was eaten?", "3/4", "0.75"),
    ("What part of the cake was eaten?", "1/3", "one third"),
    ("What part of the cake was eaten?", "half", "1/2"),
    ("Which ages may enter?", "6-12", "6 to 12"),
    ("Which ages may enter?", "6–12 years", "Ages 6 to 12"),
    ("Which years does the chart cover?", "1990-2000", "from 1990 to 2000"),
    ("What time is on the watch?", "7:40 am", "7.40 a.m."),
    ("What time is on the watch?", "half past six", "6:30"),
    ("What time is on the watch?", "quarter to nine", "8:45"),
    ("What time is on the watch?", "The watch shows 10:10.", "10:10"),
    ("What time is on the watch?", "3 o'clock", "3:00"),
    ("What time is on the watch?", "twenty past four", "4:20"),
    ("What is the date of the concert?", "12 March 2004", "March 12, 2004"),
    ("What is the date of the concert?", "The concert is on 12 March 2004.", "March 12th, 2004"),
    ("What is the date of the concert?", "12 Mar 2004", "2004-03-12"),
    ("How many people live there?", "15k", "15,000"),
    ("How many people live there?", "three hundred", "300"),
    ("How many people live there?", "1.5 million", "1,500,000"),
    ("How many people live there?", "two thousand five hundred", "2500"),
    ("How many geese are in the field?", "thirty two", "32"),
    ("How many geese are in the field?", "half a dozen", "6"),
    ("How many geese are in the field?", "two hundred and ten", "210"),
    ("How many geese are in the field?", "There aren't any geese.", "0"),
    ("How many geese are in the field?", "no geese", "zero"),
    ("How many geese are in the field?", "I see no geese in the field", "none"),
    ("Solve for y.", "\\boxed{17}", "17"),
    ("Solve for y.", "$y = 17$", "17"),
    ("Solve for y.", "The answer is $\\frac{3}{4}$.", "3/4"),
    ("Solve for y.", "\\(45^\\circ\\)", "45°"),
    ("Solve for y.", "$$y=17$$", "17"),
    ("Solve for y.", "\\[ \\boxed{y = 17} \\]", "17"),
    ("How many geese are in the field?", "8</s>", "8"),
    ("What colour is the canoe?", "red<|im_end|>", "red"),
    ("What colour is the canoe?", "red﻿", "Red"),
    ("What colour is the canoe?", "<think>Red or pink?</think>\nRed", "red"),
    ("What colour is the canoe?", "<thinking>hmm pink</thinking>The canoe is red.", "Red"),
    ("What colour is the canoe?", "Reasoning... pink?\n</think>Red", "red"),
    ("桌上有几本书？", "五", "5"),
    ("桌上有几本书？", "桌上有五本书。", "5本"),
    ("图中有猫吗？", "是的，图中有一只猫。", "有"),
    ("图中有猫吗？", "没有猫。", "图中没有猫"),
    ("这辆车是什么颜色？", "这辆车是白色的。", "白色"),
    ("哪个是苹果？\nA. 左\nB. 右", "选B", "答案是B"),
    ("哪个是苹果？\nA. 左\nB. 右", "正确答案：A", "A"),
    ("¿De qué color es la silla?", "La silla es verde.", "Verde"),
    ("¿Cuántos libros hay?", "Hay siete libros.", "7"),
    ("¿Cuántos libros hay?", "siete", "7"),
    ("¿Hay un gato?", "Sí, hay un gato.", "Sí"),
    ("¿Hay un gato?", "No, no hay ningún gato.", "No"),
    ("Welche Farbe hat der Stuhl?", "Der Stuhl ist grün.", "Grün"),
    ("Wie viele Stühle sind da?", "Es sind zwölf Stühle.", "12"),
    ("Ist die Tür offen?", "Ja, sie ist offen.", "Ja"),
    ("Ist die Tür offen?", "Nein, die Tür ist nicht offen.", "Nein"),
    ("Wo liegt das Buch?", "Das Buch liegt auf dem Tisch.", "Auf dem Tisch"),
    ("De quelle couleur est la chaise ?", "La chaise est verte.", "Verte"),
    ("Combien de livres y a-t-il ?", "Il y a sept livres.", "7"),
    ("Y a-t-il un chat ?", "Non, il n'y a pas de chat.", "Non"),
    ("Quantos livros há?", "Há sete livros.", "sete"),
    ("Di che colore è la sedia?", "La sedia è verde.", "Verde"),
    ("Quanti libri ci sono?", "Ci sono sette libri.", "7"),
    ("Hoeveel boeken zijn er?", "Er zijn zeven boeken.", "7"),
    ("Welke kleur heeft de stoel?", "De stoel is groen.", "groen"),
    ("Сколько книг на столе?", "На столе семь книг.", "7"),
    ("Какого цвета стул?", "Стул зелёный.", "зелёный"),
    ("Есть ли на фото кошка?", "Да, есть.", "Да"),
    ("テーブルに本が何冊ありますか？", "5冊です。", "5冊"),
    ("テーブルに本が何冊ありますか？", "五冊あります", "5"),
    ("この車は何色ですか？", "この車は白です。", "白"),
    ("猫はいますか？", "はい、います。", "はい"),
    ("책이 몇 권 있나요?", "다섯 권 있습니다.", "5권"),
    ("이 차는 무슨 색입니까?", "흰색입니다.", "흰색"),
    ("고양이가 있습니까?", "네, 있습니다.", "네"),
    ("मेज़ पर कितनी किताबें हैं?", "पाँच", "5"),
    ("मेज़ पर कितनी किताबें हैं?", "मेज़ पर पाँच किताबें हैं।", "5"),
    ("कार का रंग क्या है?", "कार का रंग लाल है।", "लाल"),
    ("كم عدد الكتب؟", "خمسة", "5"),
    ("ما لون السيارة؟", "لون السيارة أحمر.", "أحمر"),
    ("What is the bridge called?", "Iron Span, also known as the Old Crossing", "Iron Span"),
    ("Who wrote the letter?", "A. B. Carter", "A.B. Carter"),
    ("Which peak is it?", "Mt. Orrin", "Mount Orrin"),
    ("Which two animals are shown?", "cow and goat", "Goat and cow"),
    ("Which two animals are shown?", "cow, goat", "Cow and goat."),
    ("Which three fruits are there?", "apples, pears and figs", "figs, apples, and pears"),
    ("What is the boy wearing?", "T-shirt", "t shirt"),
    ("In which year was it built?", "It was built in 1905.", "1905"),
    ("In which year was it built?", "The house was built in the year 1905", "1905"),
    ("What is 20% of the total?", "The total is 50, so 20% is 10.", "10"),
    ("What animal is in the picture?", "A cat is in the picture.", "cat"),
    ("What animal is in the picture?", "There is a cat in the picture.", "a cat"),
    ("What animal is in the picture?", "I can see a cat.", "a cat"),
    ("What is the man doing?", "He is riding a horse.", "riding a horse"),
    ("What is the man doing?", "The man is riding a horse.", "Riding a horse."),
    ("Which side is open?", "The left side is open.", "left"),
    ("Which side is open?", "the left one", "left"),
    ("What sport is this?", "This sport is tennis.", "Tennis"),
]

DIFFERENT = [
    (
        "Which instrument is the woman playing?\nA. harp\nB. viola\nC. banjo\nD. flute",
        "The correct option is (A).",
        "The correct option is (B).",
    ),
    ("Which instrument is the woman playing?\nA. harp\nB. viola\nC. banjo\nD. flute", "Not A but D.", "A"),
    (
        "Which instrument is the woman playing?\nA. harp\nB. viola\nC. banjo\nD. flute",
        "It might be B or C, but the round body gives it away: C.",
        "B",
    ),
    ("Which instrument is the woman playing?\nA. harp\nB. viola\nC. banjo\nD. flute", "A. harp", "B"),
    (
        "Which instrument is the woman playing?\nA. harp\nB. viola\nC. banjo\nD. flute",
        "She is playing a harp.",
        "She is playing a flute.",
    ),
    ("Which instrument is the woman playing?\nA. harp\nB. viola\nC. banjo\nD. flute", "\\boxed{A}", "\\boxed{C}"),
    ("Who wrote the letter?", "J. R. Alden", "J. T. Moss"),
    ("Who wrote the letter?", "A. Falk", "A. Sorensen"),
    ("Who wrote the letter?", "Mrs. Hale", "Mrs. Kent"),
    ("Which street?", "St. Anne", "St. Paul"),
    ("Which room?", "Apt. 5", "Apt. 9"),
    ("Which room?", "No. 4", "No. 5"),
    ("What is the load?", "approx. 20 kg", "approx. 50 kg"),
    ("What is the date?", "Feb. 3", "Feb. 8"),
    ("Which bacterium?", "S. aureus", "S. mutans"),
    ("What is the temperature?", "−12", "12"),
    ("What is the temperature?", "−5 °C", "5 °C"),
    ("What is the weight?", "2,5", "25"),
    ("What does the gauge show?", ".7", "7"),
    ("What code is on the box?", "0042", "42"),
    ("What is the serial?", "90071992547409931", "90071992547409932"),
    ("What is on the board?", "2³", "23"),
    ("What is on the board?", "5²", "52"),
    ("How many geese?", "three hundred", "3"),
    ("How many geese?", "thirty two", "thirty"),
    ("How many geese?", "three dozen", "3"),
    ("How many geese are there?", "There are 2 white and 3 grey geese.", "2"),
    ("How many geese?", "over 50", "50"),
    ("How many geese?", "3 to 6", "3"),
    ("How many geese?", "at least 4", "4"),
    ("In which years was the number equal?", "2001 and 2005", "2001 and 2007"),
    ("How much?", "£3", "€3"),
    ("What is the limit?", "> 8", "< 8"),
    ("What is the limit?", "≤ 8", "≥ 8"),
    ("Which grade?", "A+", "A-"),
    ("Which grade?", "A", "A+"),
    ("Blood group?", "AB+", "AB-"),
    ("Which language?", "F#", "F"),
    ("Which language?", "C++", "C"),
    ("How long?", '9"', "9'"),
    ("What was the result?", "2 - 0", "2 - 1"),
    ("Which match?", "Lynx – Otter", "Lynx – Heron"),
    ("Which two games?", "Chess, skiing", "Chess, rowing"),
    ("Which two games?", "- chess\n- darts", "- chess\n- bowls"),
    ("Which two games?", "1. chess\n2. darts", "1. chess\n2. bowls"),
    ("Which two games?", "chess; darts", "chess; bowls"),
    ("What does it say?", "Since 1890", "Since 1980"),
    ("What colour is the door?", "Certainly! The door is white.", "Certainly! The door is black."),
    ("What colour is the door?", "From the image:\nThe door is white.", "From the image:\nThe door is black."),
    ("What colour is the door?", "White. I hope my answer is helpful.", "Black. I hope my answer is helpful."),
    ("What colour is the door?", "White. Is there anything else?", "Black. Is there anything else?"),
    ("What time is it?", "There is a watch on a wrist. The time is 5:05.", "There is a watch on a wrist. The time is 5:50."),
    ("चित्र में कौन है?", "चाचा", "चाची"),
    ("चित्र में कौन है?", "मामा", "मामी"),
    ("Who is this?", "ลุง", "ลูก"),
    ("Which city?", "Jinan, Shandong", "Jining, Shandong"),
    ("Which country and city?", "Japan, Beijing", "Japan, Nanning"),
    ("Where is the cup?", "To the left of the jug", "To the right of the jug"),
    ("Where is the cup?", "above the jug", "below the jug"),
    ("Where is the cup?", "in the box", "on the box"),
    ("What does the sign say?", "No smoking", "No entry"),
    ("What does the sign say?", "Turn left", "Turn right"),
    ("Which fish?", "sword fish", "fish"),
    ("Is the bakery closed?", "The bakery is closed.", "The bakery is not closed."),
    ("Is the bakery closed?", "Yes", "It doesn't look like the bakery is closed."),
    ("Is the bakery closed?", "I cannot tell.", "No"),
    ("When was it made?", "The image does not tell.", "1850"),
    ("When was it made?", "Unknown", "It was made in 1850."),
    ("How long is it?", "9 cm", "9 mm"),
    ("How long is it?", "9 cm", "9 inches"),
    ("How long is it?", "90 cm", "9 cm"),
    ("How steep?", "8%", "8°"),
    ("What share?", "1/4", "1/5"),
    ("What share?", "a third", "a half"),
    ("What share?", "$\\frac{2}{5}$", "$\\frac{3}{5}$"),
    ("Which ages?", "6-12", "6-21"),
    ("What time?", "7:20", "7:02"),
    ("What time?", "8 a.m.", "8 p.m."),
    ("What time?", "half past two", "half past three"),
    ("What time?", "ten past five", "ten to five"),
    ("What date?", "3 May 1999", "3 May 1998"),
    ("What date?", "3 May 1999", "3 June 1999"),
    ("Find x.", "-9", "9"),
    ("Find x.", "x = 9", "x = 19"),
    ("Find x.", "\\boxed{9}", "\\boxed{-9}"),
    ("Who?", "Ann Hill", "Amy Hill"),
    ("这辆车是什么颜色的？", "黑色", "白色"),
    ("这辆车是什么颜色的？", "车是黑色的。", "车是白色的。"),
    ("图中有猫吗？", "有", "没有"),
    ("图中有猫吗？", "有一只猫", "没有猫"),
    ("Wie viele Stühle?", "sechs", "sechzehn"),
    ("¿De qué color es?", "Es rojo.", "Es azul."),
    ("De quelle couleur est la chaise ?", "La chaise est verte.", "La chaise est rouge."),
    ("テーブルに本が何冊ありますか？", "5冊", "6冊"),
    ("이 차는 무슨 색입니까?", "흰색입니다.", "검은색입니다."),
    ("What is on the tray?", "a cup", "a cup and two spoons"),
    ("What is on the tray?", "tea and milk", "tea and sugar"),
    ("What is on the tray?", "", "cup"),
    ("What is on the tray?", "***", "cup"),
    ("What is on the tray?", "red cup", "blue cup"),
    ("Is the car red or blue?", "red", "blue"),
    ("Is the car red or blue?", "The car is red.", "The car is blue."),
    ("Is it day or night?", "day", "It is night."),
    ("What is the man doing?", "He is riding a horse.", "He is feeding a horse."),
    ("How many geese are there?", "3 + 4 = 7", "3"),
]


@pytest.mark.parametrize(("question", "one", "other"), SAME)
def test_wordings_of_one_answer_have_one_form(question: str, one: str, other: str):
    assert normalise(one, question) == normalise(other, question) is not None


@pytest.mark.parametrize(("question", "one", "other"), DIFFERENT)
def test_different_answers_have_different_forms(question: str, one: str, other: str):
    form = normalise(one, question)
    assert form is None or form != normalise(other, question)


ANSWERS = st.sampled_from([(question, answer) for question, *answers in SAME + DIFFERENT for answer in answers])
MARKUP = st.sampled_from(
    ["{}", "**{}**", " {}\n", "{}</s>", "<think>Maybe 7, or B.</think>\n{}", "\u200b{}", "Answer: {}", "`{}`"]
)


@given(ANSWERS, MARKUP)
def test_a_form_does_not_depend_on_markup(asked: tuple[str, str], markup: str):
    question, answer = asked
    if "\n" not in answer and "\\" not in answer and "Answer" not in answer and "</think" not in answer:
        assert normalise(markup.format(answer), question) == normalise(answer, question)


@given(
    st.sampled_from([one for one in SAME if "\n" not in one[0] and "\\" not in one[1]]),
    st.sampled_from([str.upper, str.lower, str.title]),
)
def test_a_form_does_not_depend_on_case(asked: tuple[str, str, str], recased):
    question, answer, _ = asked
    if not any(unit in answer for unit in ("°", "</", "<|")) and "'" not in answer and len(answer) > 1:
        assert normalise(recased(answer), question) == normalise(answer, question)


@settings(deadline=None)
@given(st.text(max_size=200), st.sampled_from([question for question, *_ in SAME]))
def test_every_text_equals_itself_and_has_a_form_or_none(text: str, question: str):
    form = normalise(text, question)
    assert form == normalise(text, question) and (form is None or form.strip())


LONG = {
    "prose": "the answer is that the boat is green and ", "spaces": " ", "digits": "1", "commas": "1,", "dashes": "-", "lines": "\n",
    "brackets": "(", "boxed": "\\boxed{", "dollars": "$ ", "quotes": '"', "ideographs": "图中有一只狗", "kana": "あ", "numbers": "twenty one ",
    "stars": "*", "thoughts": "<think>", "letters": "A. ", "options": "(A) x ", "dots": ".", "initials": "J. K. ", "Hindi": "नहीं ",
    "denials": "cannot ", "bounds": "more than ", "sums": "= ", "pleas": "can you please ", "labels": "Response A: ", "empty": "answer is ",
}  # fmt: skip
MUCH_WORK = 0.05
"""Seconds of processor time for a text of 100 kB."""


@pytest.mark.parametrize("name", LONG)
def test_a_long_text_takes_no_longer_than_a_short_one(name: str):
    text = (LONG[name] * 100_000)[:100_000]
    for work in (
        lambda: normalise(text, SAME[6][0]),
        lambda: normalise(text),
        lambda: route(text + "?"),
        lambda: options(text + "B. x"),
    ):
        fastest = min(_seconds(work) for _ in range(3))
        assert fastest < MUCH_WORK, (name, fastest)


def _seconds(work) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started

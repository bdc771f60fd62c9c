"""`selfjudge serve`: what clients get, and that nothing they send takes the service down."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from selfjudge import Judge
from selfjudge.chat import Completion, Request
from selfjudge.cli import app
from selfjudge.errors import EngineError, InputError
from selfjudge.serve import batches
from selfjudge.serve.app import create_app
from selfjudge.types import Finish
from serve.clients import CASE, Good, client, picture, png


@pytest.fixture
def engine() -> Good:
    return Good()


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize(
    ("path", "field"), [("compare", "prompt"), ("compare", "response_a"), ("rank", "comparisons"), ("rerank", "top_n")]
)
def test_a_number_that_json_does_not_have_is_refused_by_its_field(engine: Good, path: str, field: str, value: str):
    bodies = {
        "compare": CASE,
        "rank": {"prompt": "p", "responses": ["x", "y"]},
        "rerank": {"query": "q", "documents": ["x", "y"]},
    }
    text = json.dumps({**bodies[path], field: "HERE"}).replace('"HERE"', value)
    with client(engine) as http:
        refused = http.post(f"/v1/{path}", content=text, headers={"content-type": "application/json"})
    assert refused.status_code == 422 and refused.json()["detail"][0]["loc"] == ["body", field]


def test_a_comparison_is_made_in_both_orders(engine: Good):
    with client(engine) as asked:
        answer = asked.post("/v1/compare", json={**CASE, "images": [png()]})
    assert answer.status_code == 200
    assert answer.json() | {"traces": None} == {
        "preference": "a",
        "probability": None,
        "consistent": True,
        "traces": None,
        "problem": None,
    }
    assert engine.closed


def test_responses_are_ranked_and_reranked_in_the_form_of_other_servers(engine: Good):
    with client(engine) as asked:
        ranked = asked.post("/v1/rank", json={"prompt": "which?", "responses": ["bad", "good", "poor"]}).json()
        request = {"model": "m", "query": "which?", "documents": ["bad", {"text": "good"}, "poor"], "top_n": 1}
        reranked = asked.post("/v1/rerank", json=request).json()
    assert ranked["order"][0] == 1 and ranked["comparisons"] == 3
    assert reranked["model"] == "m" and reranked["results"][0]["index"] == 1
    assert 0.5 < reranked["results"][0]["relevance_score"] <= 1 and reranked["results"][0]["document"] == {"text": "good"}


@pytest.mark.parametrize(("path", "field", "asked"), [("rank", "responses", "prompt"), ("rerank", "documents", "query")])
def test_an_order_that_no_comparison_decided_says_why(path: str, field: str, asked: str):
    with client(Each()) as http:  # it says A in both orders
        said = http.post(f"/v1/{path}", json={asked: "which?", field: ["x", "y", "z"]}).json()
        alone = http.post(f"/v1/{path}", json={asked: "which?", field: ["x"]}).json()
    assert (said["problem"], alone["problem"]) == ("undecided", None)


WRONG: list[tuple[dict[str, Any], int, str]] = [
    ({"prompt": "which?", "response_a": "good"}, 422, "response_b"),
    ({**CASE, "prompt": " "}, 422, "prompt"),
    ({**CASE, "prompt": 3}, 422, "prompt"),
    ({**CASE, "other": 3}, 422, "other"),
    ({**CASE, "images": ["/etc/passwd"]}, 422, "images.0"),
    ({**CASE, "images": [png(), "http://127.0.0.1/x.png"]}, 422, "images.1"),
    ({**CASE, "images": ["https://example.org/x.png"]}, 422, "images.0 is an address"),
    ({**CASE, "images": ["data:image/png;base64,AAAA"]}, 422, "not_an_image"),
    ({**CASE, "images": [png()[:80]]}, 422, "images"),
    ({**CASE, "images": [png(20_000, 20_000)]}, 413, "too_many_pixels"),
    ({**CASE, "prompt": "x" * 3_000_000}, 413, "bytes"),
]


@pytest.mark.parametrize(("body", "status", "named"), WRONG)
def test_what_is_wrong_with_a_request_is_said_and_the_next_one_is_answered(
    engine: Good, body: dict[str, Any], status: int, named: str
):
    with client(engine, body_bytes=2_000_000) as asked:
        answer = asked.post("/v1/compare", json=body)
        assert (answer.status_code, named in answer.text) == (status, True), answer.text
        assert asked.post("/v1/compare", json=CASE).status_code == 200


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"[1]", b'{"prompt": "\\ud83d", "response_a": "x", "response_b": "y"}']
)
def test_a_body_that_is_no_request_is_a_422(engine: Good, content: bytes):
    with client(engine) as asked:
        answer = asked.post("/v1/compare", content=content, headers={"content-type": "application/json"})
        assert answer.status_code == 422 and asked.get("/health").status_code == 200


@pytest.mark.parametrize("header", [{}, {"content-type": "application/x-www-form-urlencoded"}, {"content-type": "text/plain"}])
def test_json_that_does_not_say_that_it_is_json_is_told_the_header(engine: Good, header: dict[str, str]):
    with client(engine) as asked:
        answer = asked.post("/v1/compare", content=json.dumps(CASE), headers=header)
    assert answer.status_code == 422 and "content-type: application/json" in answer.json()["detail"][0]["msg"]


def test_a_form_that_is_none_is_a_422(engine: Good):
    with client(engine) as asked:
        for header in ("multipart/form-data", "multipart/form-data; boundary=x"):
            answer = asked.post("/v1/compare", content=b"--y\r\nnothing", headers={"content-type": header})
            assert answer.status_code == 422 and asked.get("/health").status_code == 200


def test_a_file_is_read_only_from_the_folder_that_the_server_allows(engine: Good, tmp_path: Path):
    (tmp_path / "in").mkdir()
    for folder in (tmp_path, tmp_path / "in"):
        Image.new("RGB", (8, 8)).save(folder / "x.png")
    with client(engine, images=tmp_path / "in") as asked:
        assert asked.post("/v1/compare", json={**CASE, "images": ["x.png"]}).status_code == 200
        for name in ("../x.png", str(tmp_path / "x.png"), "/dev/zero", "gone.png"):
            assert asked.post("/v1/compare", json={**CASE, "images": [name]}).status_code == 422


def test_images_may_be_uploaded(engine: Good):
    texts = {"prompt": "which?", "responses": ["bad", "good"], "comparisons": "1"}
    files = [("images", ("x.png", picture(), "image/png"))] * 2
    with client(engine) as asked:
        assert asked.post("/v1/compare", data=CASE, files=files).json()["preference"] == "a"
        assert asked.post("/v1/rank", data=texts, files=files).json()["order"] == [1, 0]
    assert engine.images == {2}


WRONG_FORMS: list[tuple[dict[str, str], bytes, int, str]] = [
    ({"prompt": "which?", "response_a": "good"}, b"", 422, "response_b"),
    ({**CASE, "other": "x"}, b"", 422, "other"),
    ({**CASE, "images": "/etc/passwd"}, b"", 422, "images"),
    ({**CASE, "prompt": ""}, b"", 422, "prompt"),
    (CASE, b"no image", 422, "not_an_image"),
    (CASE, picture(20_000, 20_000), 413, "too_many_pixels"),
    ({**CASE, "prompt": "x" * 3_000_000}, b"", 413, "bytes"),
]


@pytest.mark.parametrize(("form", "image", "status", "named"), WRONG_FORMS)
def test_what_is_wrong_with_an_upload_is_said(engine: Good, form: dict[str, str], image: bytes, status: int, named: str):
    with client(engine, body_bytes=2_000_000) as asked:
        files = {"images": ("x.png", image)} if image else {}
        content = {name: (None, text) for name, text in form.items()}
        answer = asked.post("/v1/compare", files={**content, **files})
        assert (answer.status_code, named in answer.text) == (status, True), answer.text


class Each(Good):
    """An engine that answers each request by itself; one of them takes until it is told to go on."""

    block = 1

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        asked = list(requests)
        if any("slow" in block for request in asked for block in request.messages[0].content if isinstance(block, str)):
            self.go.wait(10)
        for request in asked:
            yield Completion(key=request.key, text="[[A]]", finish=Finish.STOP, prompt_tokens=1, completion_tokens=1)


def test_what_comes_in_during_a_long_trace_does_not_wait_for_it_where_the_engine_answers_each_by_itself():
    engine = Each()
    engine.go.clear()
    with client(engine) as asked, ThreadPoolExecutor(1) as pool:
        slow = pool.submit(asked.post, "/v1/compare", json={**CASE, "response_a": "slow"})
        time.sleep(0.1)
        for _ in range(20):
            assert asked.post("/v1/compare", json={**CASE, "images": [png()]}).status_code == 200
        assert not slow.done()
        engine.go.set()
        assert slow.result().status_code == 200


def test_above_the_limit_of_waiting_comparisons_a_request_gets_429_and_a_time(engine: Good):
    engine.go.clear()
    with client(engine, waiting=4, batch=1) as asked, ThreadPoolExecutor(12) as pool:
        answers = [pool.submit(asked.post, "/v1/compare", json=CASE) for _ in range(12)]
        while not any(answer.done() for answer in answers):
            time.sleep(0.01)
        time.sleep(0.2)
        engine.go.set()
        done = [answer.result() for answer in answers]
    refused = [answer for answer in done if answer.status_code == 429]
    assert len(refused) >= 7 and all(answer.headers["retry-after"] == "1" for answer in refused)
    assert all(answer.status_code == 200 for answer in done if answer not in refused)


def test_large_images_that_wait_are_bounded_too(engine: Good):
    engine.go.clear()
    with client(engine, waiting_bytes=200, batch=1) as asked, ThreadPoolExecutor(6) as pool:
        answers = [pool.submit(asked.post, "/v1/compare", json={**CASE, "images": [png()]}) for _ in range(6)]
        time.sleep(0.5)
        engine.go.set()
        assert {answer.result().status_code for answer in answers} == {200, 429}


def test_requests_of_all_clients_are_judged_together(engine: Good):
    engine.go.clear()
    with client(engine) as asked, ThreadPoolExecutor(16) as pool:
        answers = [pool.submit(asked.post, "/v1/compare", json=CASE) for _ in range(16)]
        time.sleep(0.5)
        engine.go.set()
        assert all(answer.result().status_code == 200 for answer in answers)
    assert max(engine.batches) >= 8


def test_a_judge_that_takes_too_long_is_a_504_and_nobody_waits_for_it(engine: Good):
    engine.go.clear()
    with client(engine, seconds=0.2) as asked:
        assert asked.post("/v1/compare", json=CASE).status_code == 504
        engine.go.set()
        assert asked.post("/v1/compare", json=CASE).status_code == 200


@pytest.mark.parametrize("error", [EngineError("the GPU is gone", hint="h"), ValueError("a defect")])
def test_an_engine_that_fails_is_a_502_or_500_and_the_service_recovers(engine: Good, error: Exception):
    engine.error = error
    with client(engine) as asked:
        assert asked.post("/v1/compare", json=CASE).status_code in (500, 502)
        assert asked.get("/health").json()["status"] == "failing"
        engine.error = None
        assert asked.post("/v1/compare", json=CASE).status_code == 200
        assert asked.get("/health").json()["status"] == "ok"


def ranked(count: int, text: str = "x", **more: Any) -> dict[str, Any]:
    return {"prompt": "which?", "responses": [f"{text} {number}" for number in range(count)], **more}


def test_requests_that_are_refused_are_422_each_and_harm_no_other(engine: Good):
    engine.go.clear()
    with client(engine) as asked, ThreadPoolExecutor(3) as pool:
        answers = []
        for path, body in (("compare", CASE), ("rank", ranked(9, "too long")), ("compare", CASE)):
            answers.append(pool.submit(asked.post, f"/v1/{path}", json=body))
            time.sleep(0.2)
        engine.go.set()
        assert [answer.result().status_code for answer in answers] == [200, 422, 200]
        assert asked.post("/v1/rank", json=ranked(64, "too long")).status_code == 422
        assert asked.get("/health").status_code == 200


def test_a_failure_is_told_by_health_for_a_minute_for_a_service_that_is_sent_nothing_cannot_show_that_it_works(
    engine: Good, monkeypatch: pytest.MonkeyPatch
):
    with client(engine) as asked:
        assert asked.post("/v1/compare", json={**CASE, "response_a": "lost"}).status_code == 502
        assert asked.get("/health").json() == {"status": "failing", "detail": "failed: no", "waiting": 0}
        monkeypatch.setattr(batches, "_BROKEN_SECONDS", 0.0)
        assert asked.get("/health").status_code == 200


def test_a_large_request_is_answered_where_nothing_waits(engine: Good):
    with client(engine, waiting=4, waiting_bytes=100) as asked:
        answer = asked.post("/v1/rank", json=ranked(4, images=[png(64, 64)]))
        assert answer.status_code == 200 and answer.json()["comparisons"] == 6
        assert asked.post("/v1/rerank", json={"query": "q", "documents": list("abcdef")}).status_code == 200


def test_an_image_that_all_comparisons_of_a_request_show_is_held_once(engine: Good):
    engine.go.clear()
    with client(engine, waiting_bytes=2 * len(picture()), batch=1) as asked, ThreadPoolExecutor(3) as pool:
        bodies = [CASE, ranked(3, images=[png()]), {**CASE, "images": [png()]}]
        answers = []
        for path, body in zip(("compare", "rank", "compare"), bodies, strict=True):
            answers.append(pool.submit(asked.post, f"/v1/{path}", json=body))
            time.sleep(0.2)
        engine.go.set()
        assert [answer.result().status_code for answer in answers] == [200] * 3


def test_a_flag_may_be_sent_in_a_form(engine: Good):
    form = {"query": (None, "q"), "documents": (None, "d"), "return_documents": (None, "false")}
    with client(engine) as asked:
        assert asked.post("/v1/rerank", files=form).json()["results"][0]["document"] is None
        wrong = asked.post("/v1/rerank", files={**form, "return_documents": (None, "maybe")})
    assert wrong.status_code == 422 and "return_documents" in wrong.text


def test_a_token_is_asked_for_where_one_is_set(engine: Good, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SELFJUDGE_TOKEN", "secret")
    with client(engine) as asked:
        for header in ({}, {"Authorization": "Bearer other"}, {"Authorization": "Basic secret"}):
            assert asked.post("/v1/compare", json=CASE, headers=header).status_code == 401
            assert asked.get("/metrics", headers=header).status_code == 401
        assert asked.post("/v1/compare", json=CASE, headers={"Authorization": "Bearer secret"}).status_code == 200
        assert asked.get("/health").status_code == 200


def test_a_foreign_page_cannot_call_a_service_under_another_name(engine: Good):
    with client(engine, hosts=("testserver",)) as asked:
        assert asked.get("/health", headers={"host": "evil.example"}).status_code == 400
        assert asked.get("/health").status_code == 200


def test_metrics_count_what_was_asked(engine: Good):
    with client(engine) as asked:
        asked.post("/v1/compare", json=CASE)
        asked.post("/v1/compare", json={})
        shown = asked.get("/metrics").text
    assert 'selfjudge_requests_total{path="/v1/compare",status="200"} 1.0' in shown
    assert 'selfjudge_requests_total{path="/v1/compare",status="422"} 1.0' in shown
    assert "selfjudge_comparisons_total 1.0" in shown


@pytest.mark.parametrize("host", ["127.0.0.1", "203.0.113.9", "no.such.host.invalid"])
def test_an_address_where_it_cannot_listen_is_an_error_before_a_judge_is_loaded(host: str):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = ["serve", "--judge", "nowhere", "--host", host, "--port", str(taken.getsockname()[1])]
        with pytest.raises(InputError, match="cannot listen at") as error:
            CliRunner().invoke(app, command, catch_exceptions=False)
    assert "--port" in str(error.value.hint)


schemathesis.openapi.format("image", st.sampled_from([png(), png(3, 5).partition(",")[2]]))
_judge = Judge(Good(), template="A: {first}\nB: {second}")
schema = schemathesis.openapi.from_asgi("/openapi.json", create_app(_judge, "tested"))


@schema.parametrize()
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_request_that_a_machine_can_think_of_breaks_it(case: schemathesis.Case):
    case.call_and_validate()

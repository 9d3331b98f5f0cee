"""Run cases against a server and judge the answers."""
import json
import threading

from checks import CHECKS
from fixture import Lacking
from match import CODES_1_0, CODES_1_1, MISSING, Matcher, shown
from readers import Unreadable, no_doubles
from station import Exhausted
from transport import Unreachable
from values import Builder, NoValue

PASSED, FAILED, SKIPPED = "passed", "FAILED", "skipped"


class Outcome:
    """How a case ended: its result, what was expected and got in short, differences in long."""

    def __init__(self, case, result, expected="", got="", differences=()):
        self.case, self.result = case, result
        self.expected, self.got, self.differences = expected, got, list(differences)


class Step:
    """One exchange."""

    def __init__(self, peer):
        self.peer = peer
        self.request = {}
        self.frame = self.answer = self.keys = self.problem = None
        self.body, self.twins = {}, []


class Scene:
    """A case that runs: the device, the steps so far, the fixture."""

    def __init__(self, case, fixture, link, save):
        self.case, self.fixture, self.link = case, fixture, link
        self.fixture_saved = save
        self.protocol = case.protocol
        self.device = fixture.device(case.device) if case.device else None
        self.steps = []

    def play(self):
        """The Outcome; Lacking or Exhausted if the case cannot be run."""
        for number, plan in enumerate(self.case.steps, 1):
            expect = plan["expect"]
            try:
                step = self.take(plan)
                differences = self.judge(step, expect)
            except NoValue as error:
                step, differences = Step(None), [str(error)]
            if differences:
                if len(self.case.steps) > 1:
                    differences = [f"step {number}: {text}" for text in differences]
                return Outcome(self.case, FAILED, in_short(expect), got_in_short(step), differences)
        return Outcome(self.case, PASSED, in_short(expect), got_in_short(step))

    def take(self, plan):
        peer = self.fixture.peer(plan.get("as", self.case.peer))
        step = Step(peer)
        self.steps.append(step)
        step.builder = Builder(self, peer)
        octets = self.written(step, plan)
        self.fixture_saved()
        if "at_once" in plan:
            self.crowd(step, plan)
        else:
            self.send(step, plan, octets)
        return step

    def crowd(self, step, plan):
        """The message several times at the same moment, each with its own changes."""
        for changes in plan["at_once"]:
            twin = Step(step.peer)
            twin.builder, twin.frame = step.builder, step.frame
            twin.request = dict(step.request, **twin.builder.build(changes))
            step.twins.append(twin)
        threads = [threading.Thread(target=self.send, args=(twin, plan, dumped(twin.request)))
                   for twin in step.twins]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        step.answer, step.problem = step.twins[0].answer, step.twins[0].problem

    def send(self, step, plan, octets):
        peer = step.peer
        headers = {"Content-Type": "application/json"}
        owner = peer if "credential" not in plan else self.owner(plan["credential"])
        if "authorization" in owner:
            headers["Authorization"] = owner["authorization"]
        for name, value in plan.get("headers", {}).items():
            if value is None:
                headers.pop(name, None)
            else:
                headers[name] = value
        certificate = tuple(owner["certificate"]) if "certificate" in owner else None
        try:
            step.answer = self.link.send(plan.get("method", "POST"), headers, octets, certificate,
                                         plan.get("chunked", False), self.case.keep_alive)
        except Unreachable as error:
            step.problem = f"no HTTP answer: {error}"

    def owner(self, name):
        """Whose credential goes with a step: of another peer, none (null), or a wrong one."""
        if name is None:
            return {}
        if name == "wrong":
            return {"authorization": "Bearer conformance-nobody-0123456789abcdef"}
        return self.fixture.peer(name)

    def written(self, step, plan):
        if "raw" in plan:
            raw = step.builder.build(plan["raw"])
            return None if raw is None else raw.encode()
        if "raw_hex" in plan:
            return bytes.fromhex(plan["raw_hex"])
        changes = step.builder.build(plan.get("body", {}))
        if "repeat" in plan:
            earlier = self.steps[plan["repeat"] - 1]
            step.request = dict(earlier.request, **changes)
            step.frame = step.builder.frame or earlier.frame
        else:
            step.request, step.frame = changes, step.builder.frame
        return dumped(step.request)

    def judge(self, step, expect):
        """Of a crowd each answer, then what must hold of all together."""
        if not step.twins:
            return self.judge_one(step, expect)
        each = {name: item for name, item in expect.items() if name != "checks"}
        found = [text for twin in step.twins for text in self.judge_one(twin, each)]
        return found[:1] or self.check(step, expect.get("checks", {}))

    def judge_one(self, step, expect):
        if step.answer is None:
            return [step.problem]
        differences = self.read(step)
        leaked = self.fixture.leaked(step.answer.octets)
        if leaked:
            differences.append(f"the answer holds {leaked}")
        return differences or self.compare(step, expect)

    def read(self, step):
        """The body as JSON, and what is wrong with any answer of that kind."""
        step.body = {}
        if not 200 <= step.answer.status < 300 or not step.answer.octets:
            return []
        try:
            body = json.loads(step.answer.octets.decode(), object_pairs_hook=no_doubles)
        except (ValueError, Unreadable) as error:
            return [f"the answer is not JSON: {error}"]
        if not isinstance(body, dict):
            return ["the answer is not a JSON object"]
        step.body = body
        result = body.get("Result")
        code = result.get("ResultCode") if isinstance(result, dict) else None
        known = CODES_1_0 if body.get("ProtocolVersion") == "1.0" else CODES_1_1
        if code is not None and (not isinstance(code, str) or code not in known):
            return [f"ResultCode {shown(code)} does not exist in {body.get('ProtocolVersion')}"]
        return []

    def compare(self, step, expect):
        if "any_of" in expect:
            tried = [self.compare(step, item) for item in expect["any_of"]]
            if any(not differences for differences in tried):
                return []
            return ["or: ".join(differences[0] + "; " for differences in tried)[:-2]]
        differences = self.compare_http(step, expect)
        if differences:
            return differences
        matcher = Matcher(step.builder, step.request)
        if "result" in expect:
            wanted = {"Result": {"ResultCode": alternatives(expect["result"])}}
            differences += matcher.differences(wanted, step.body)
        differences += matcher.differences(expect.get("body", {}), step.body)
        if not differences:
            differences += self.check(step, expect.get("checks", {}))
        return differences

    def compare_http(self, step, expect):
        answer, matcher = step.answer, Matcher(step.builder, step.request)
        found = matcher.differences(alternatives(expect["status"]), answer.status, "HTTP status") \
            if "status" in expect else []
        headers = {name: answer.headers.get(name, MISSING) for name in expect.get("headers", {})}
        for name, value in expect.get("headers", {}).items():
            found += matcher.differences(value, headers[name], name)
        if expect.get("empty") and answer.octets:
            found.append(f"body: expected it empty, got {shown(answer.octets)}")
        return found

    def check(self, step, checks):
        """One failed check is enough: the others would say the same."""
        for name, wanted in checks.items():
            if wanted is None:
                continue
            wrong = CHECKS[name](self, step, wanted)
            if wrong:
                return [wrong]
        return []


def dumped(request):
    return json.dumps(request, separators=(",", ":")).encode()


def alternatives(value):
    return {"$one_of": value} if isinstance(value, list) else value


def in_short(expect):
    if "any_of" in expect:
        return " or ".join(dict.fromkeys(in_short(item) for item in expect["any_of"]))
    parts = []
    for name in ("status", "result"):
        value = expect.get(name, [])
        if isinstance(value, dict):
            value = ["any"]
        parts += ["/".join(map(str, value))] if isinstance(value, list) else [str(value)]
    return " ".join(part for part in parts if part) or "see checks"


def got_in_short(step):
    if step.answer is None:
        return "nothing"
    result = step.body.get("Result")
    code = result.get("ResultCode", "") if isinstance(result, dict) else ""
    return f"{step.answer.status} {code if isinstance(code, str) else ''}".strip()


def run_case(case, fixture, link, save):
    for device in fixture.devices.values():
        device.begin_case()
    try:
        fixture.check(case.needs)
        scene = Scene(case, fixture, link, save)
        if case.fresh and not scene.device.is_new:
            raise Lacking(f"{case.device} has joined before; it takes a new store and state file")
        return scene.play()
    except (Lacking, Exhausted) as error:
        return Outcome(case, SKIPPED, differences=[str(error)])
    finally:
        link.hang_up()

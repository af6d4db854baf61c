"""The Pub/Sub API as Google's gRPC and an independent Avro library see it.

The org has to be a fresh one, in which nobody else writes.
"""

import json
import os
import queue
import sys
import tempfile
import threading
import uuid
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

# Handshakes that are meant to fail are no news.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import fastavro
import grpc
from grpc_tools import protoc

from checks import TIMEOUT, check, expect, finish, given, refusal
from salesforce_org import sign_in

PROTO = Path(given("SALESFORCE_PROTO_FILE"))
ADDRESS = urlsplit(given("SALESFORCE_PUBSUB")).netloc
AUTHORITY = Path(given("SALESFORCE_CA_FILE")).read_bytes()

CHANGES = "/data/AccountChangeEvent"
EVENTS = "/event/Shipped__e"

with tempfile.TemporaryDirectory() as generated:
    arguments = [
        "protoc",
        f"-I{PROTO.parent}",
        f"--python_out={generated}",
        f"--grpc_python_out={generated}",
        PROTO.name,
    ]
    if protoc.main(arguments) != 0:
        sys.exit(f"{PROTO} cannot be compiled")
    sys.path.insert(0, generated)
    import pubsub_api_pb2 as api
    import pubsub_api_pb2_grpc as stubs

org = sign_in()
# The client's name comes back as the origin of a change.
CLIENT = {"Sforce-Call-Options": "client=checks"}
org_id = org.query("SELECT Id FROM Organization")["records"][0]["Id"]
metadata = (("accesstoken", org.session_id), ("instanceurl", f"https://{org.sf_instance}"), ("tenantid", org_id))
channel = grpc.secure_channel(ADDRESS, grpc.ssl_channel_credentials(root_certificates=AUTHORITY))
stub = stubs.PubSubStub(channel)
schemas = {}


def topic(name, tokens=metadata):
    """GetTopic."""
    return stub.GetTopic(api.TopicRequest(topic_name=name), metadata=tokens, timeout=TIMEOUT)


def schema(schema_id):
    """GetSchema, asked once for each: a schema that is known never changes."""
    if schema_id not in schemas:
        schemas[schema_id] = json.loads(
            stub.GetSchema(api.SchemaRequest(schema_id=schema_id), metadata=metadata, timeout=TIMEOUT).schema_json
        )
    return schemas[schema_id]


def decode(event):
    """The fields of a received event."""
    payload = BytesIO(event.event.payload)
    fields = fastavro.schemaless_reader(payload, fastavro.parse_schema(schema(event.event.schema_id)))
    expect(payload.read(), b"")
    return fields


def encode(schema_id, fields):
    """The payload of an event that is to be published."""
    payload = BytesIO()
    fastavro.schemaless_writer(payload, fastavro.parse_schema(schema(schema_id)), fields)
    return payload.getvalue()


class Subscription:
    """A subscription whose requests are sent when the reader wants more."""

    def __init__(self, name, number, preset=api.EARLIEST, replay_id=b""):
        self.requests = queue.SimpleQueue()
        self.requests.put(
            api.FetchRequest(topic_name=name, replay_preset=preset, replay_id=replay_id, num_requested=number)
        )
        self.call = stub.Subscribe(iter(self.requests.get, None), metadata=metadata, timeout=TIMEOUT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.requests.put(None)
        self.call.cancel()

    def ask(self, number):
        """Asks for more."""
        self.requests.put(api.FetchRequest(num_requested=number))

    def take(self, number):
        """So many events, and the last answer that brought some."""
        events = []
        while len(events) < number:
            answer = next(self.call)
            events.extend(answer.events)
        expect(len(events), number)
        return events, answer


def record_fields(kind):
    """The fields of the record inside an optional field."""
    return next(branch for branch in kind if isinstance(branch, dict))["fields"]


def named(bitmaps, fields):
    """The fields that bitmaps of a change event's header mean, as the vendor's ChangeEventHeaderUtility reads them."""

    def bits(bitmap):
        assert bitmap.startswith("0x") and len(bitmap) % 2 == 0, bitmap
        number = int(bitmap, 16)
        return [place for place in range(number.bit_length()) if number >> place & 1]

    names = set()
    for bitmap in bitmaps:
        if "-" in bitmap:
            parent = fields[int(bitmap.split("-")[0])]
            parts = record_fields(parent["type"])
            names |= {f"{parent['name']}.{parts[place]['name']}" for place in bits(bitmap.split("-")[1])}
        else:
            names |= {fields[place]["name"] for place in bits(bitmap)}
    return names


def changes(event):
    """A change event: its header, with names instead of bitmaps, and its fields."""
    fields = decode(event)
    header = fields.pop("ChangeEventHeader")
    layout = schema(event.event.schema_id)["fields"]
    for bitmaps in ("changedFields", "nulledFields", "diffFields"):
        header[bitmaps] = named(header[bitmaps], layout)
    return header, fields


def vendor_code(error):
    """The vendor's own code in the trailers of a refused call."""
    return dict(error.trailing_metadata()).get("error-code", "")


with check("nobody who does not know the authority gets in"):
    with grpc.secure_channel(ADDRESS, grpc.ssl_channel_credentials()) as stranger:
        with refusal(grpc.RpcError) as refused:
            stubs.PubSubStub(stranger).GetTopic(
                api.TopicRequest(topic_name=CHANGES), metadata=metadata, timeout=TIMEOUT
            )
    expect(refused.error.code(), grpc.StatusCode.UNAVAILABLE)

with check("GetTopic tells what may be done with a topic of changes"):
    told = topic(CHANGES)
    expect((told.topic_name, told.can_publish, told.can_subscribe), (CHANGES, False, True))
    assert told.schema_id and told.rpc_id and org_id[:15] in told.tenant_guid, told
    expect(topic("/data/ChangeEvents").can_subscribe, True)

with check("GetTopic tells that a platform event may be published"):
    told = topic(EVENTS)
    expect((told.topic_name, told.can_publish, told.can_subscribe), (EVENTS, True, True))

with check("a topic that does not exist is refused"):
    with refusal(grpc.RpcError) as refused:
        topic("/data/NonsenseChangeEvent")
    expect(refused.error.code(), grpc.StatusCode.NOT_FOUND)
    assert "rpcId: " in refused.error.details(), refused.error.details()

with check("a token that is not valid is refused"):
    with refusal(grpc.RpcError) as refused:
        topic(CHANGES, (("accesstoken", "wrong"),) + metadata[1:])
    expect(
        (refused.error.code(), vendor_code(refused.error)),
        (grpc.StatusCode.UNAUTHENTICATED, "sfdc.platform.eventbus.grpc.service.auth.error"),
    )

with check("missing headers are refused"):
    with refusal(grpc.RpcError) as refused:
        topic(CHANGES, metadata[:1])
    expect(
        (refused.error.code(), vendor_code(refused.error)),
        (grpc.StatusCode.UNAUTHENTICATED, "sfdc.platform.eventbus.grpc.service.auth.headers.invalid"),
    )

with check("GetSchema answers an Avro schema with the header of change events first"):
    layout = schema(topic(CHANGES).schema_id)
    expect((layout["name"], layout["namespace"]), ("AccountChangeEvent", "com.sforce.eventbus"))
    expect(layout["fields"][0]["name"], "ChangeEventHeader")
    fastavro.parse_schema(layout)
    expect(
        [part["name"] for part in layout["fields"][0]["type"]["fields"]],
        [
            "entityName",
            "recordIds",
            "changeType",
            "changeOrigin",
            "transactionKey",
            "sequenceNumber",
            "commitTimestamp",
            "commitNumber",
            "commitUser",
            "nulledFields",
            "diffFields",
            "changedFields",
        ],
    )

with check("the schema over REST is the same"):
    over_rest = org.restful("sobjects/Shipped__e/eventSchema", params={"payloadFormat": "COMPACT"})
    platform = schema(topic(EVENTS).schema_id)
    expect([field["name"] for field in over_rest["fields"]], [field["name"] for field in platform["fields"]])

with check("flow control: no more events come than were asked for"):
    accounts = [org.Account.create({"Name": f"Event {number}"}, headers=CLIENT)["id"] for number in range(5)]
    with Subscription(CHANGES, 2) as subscription:
        events, answer = subscription.take(2)
        expect(answer.pending_num_requested, 0)
        subscription.ask(1)
        more, answer = subscription.take(1)
        expect(answer.pending_num_requested, 0)
        subscription.ask(4)
        rest, answer = subscription.take(2)
        expect(answer.pending_num_requested, 2)
    received = events + more + rest
    expect([changes(event)[0]["recordIds"] for event in received], [[account] for account in accounts])
    expect(answer.latest_replay_id, received[-1].replay_id)
    assert answer.rpc_id and len({event.event.id for event in received}) == 5

with check("no more than 100 events are owed, however often they are asked for"):
    with Subscription(CHANGES, 100) as subscription:
        _, answer = subscription.take(5)
        owed = answer.pending_num_requested
        expect(owed, 95)
        subscription.ask(100)
        # When the second request has arrived only the server knows: until then each event leaves one less to come.
        while answer.pending_num_requested <= owed:
            owed = answer.pending_num_requested - 1
            org.Account.create({"Name": "One more"})
            _, answer = subscription.take(1)
        assert answer.pending_num_requested <= 99, f"{answer.pending_num_requested} events are owed"

with check("a CREATE names the record, who made it, and all that it holds"):
    header, fields = changes(received[0])
    expect((header["entityName"], header["changeType"], header["sequenceNumber"]), ("Account", "CREATE", 1))
    assert (
        header["changeOrigin"].startswith("com/salesforce/api/rest/60.0") and "client=checks" in header["changeOrigin"]
    )
    made = org.Account.get(accounts[0])
    expect((header["commitUser"], fields["CreatedById"], fields["Name"]), (made["CreatedById"],) * 2 + ("Event 0",))
    assert header["transactionKey"] and header["commitNumber"] > 0
    assert abs(header["commitTimestamp"] - fields["CreatedDate"]) < 5000, (
        header["commitTimestamp"],
        fields["CreatedDate"],
    )
    expect((header["changedFields"], header["nulledFields"], fields["Phone"]), (set(), set(), None))

with check("replay from an id gives what came after it"):
    with Subscription(CHANGES, 2, api.CUSTOM, received[1].replay_id) as subscription:
        events, _ = subscription.take(2)
    expect([event.replay_id for event in events], [received[2].replay_id, received[3].replay_id])

with check("LATEST gives only what happens from now on"):
    heard = threading.Event()
    born = []

    def bear():
        # When the subscription begins only the server knows, so something goes on happening until it is heard.
        while not heard.wait(0.05):
            born.append(org.Account.create({"Name": "Born"})["id"])

    with Subscription(CHANGES, 1, api.LATEST) as subscription:
        worker = threading.Thread(target=bear)
        worker.start()
        try:
            events, _ = subscription.take(1)
        finally:
            heard.set()
            worker.join()
    assert changes(events[0])[0]["recordIds"][0] in born


def after(change, number=1, name=CHANGES):
    """What the topic tells of a change: the events behind everything that was told before it."""
    marker = org.Account.create({"Name": "Marker"})["id"]
    with Subscription(name, 100) as subscription:
        while True:
            answer = next(subscription.call)
            if any(marker in changes(event)[0]["recordIds"] for event in answer.events):
                break
            subscription.ask(100)
    change()
    with Subscription(name, number, api.CUSTOM, answer.events[-1].replay_id) as subscription:
        return [changes(event) for event in subscription.take(number)[0]]


with check("an UPDATE tells by its bitmaps what changed and what became empty"):
    org.Account.update(accounts[0], {"Phone": "1", "Rating": "Hot"})
    [(header, fields)] = after(
        lambda: org.Account.update(accounts[0], {"Name": "Renamed", "Phone": "1", "Rating": None})
    )
    expect((header["changeType"], header["recordIds"]), ("UPDATE", [accounts[0]]))
    expect((header["changedFields"], header["nulledFields"]), ({"Name", "Rating", "LastModifiedDate"}, {"Rating"}))
    expect((fields["Name"], fields["Rating"], fields["Phone"], fields["CreatedDate"]), ("Renamed", None, None, None))

with check("bitmaps reach fields far behind in the schema"):
    [(header, fields)] = after(lambda: org.Account.update(accounts[0], {"Key__c": "E-1", "Site": "here"}))
    expect(header["changedFields"], {"Key__c", "Site", "LastModifiedDate"})
    expect((fields["Key__c"], fields["Site"]), ("E-1", "here"))

with check("a part of an address has a bitmap inside the compound field"):
    org.Account.update(accounts[1], {"BillingCity": "Köln", "BillingStreet": "Am Hof"})
    [(header, fields)] = after(lambda: org.Account.update(accounts[1], {"BillingCity": "Bonn", "BillingStreet": None}))
    expect(header["changedFields"], {"BillingAddress.City", "BillingAddress.Street", "LastModifiedDate"})
    expect(header["nulledFields"], {"BillingAddress.Street"})
    expect((fields["BillingAddress"]["City"], fields["BillingAddress"]["Street"]), ("Bonn", None))

with check("a DELETE names the record only"):
    [(header, fields)] = after(lambda: org.Account.delete(accounts[2]))
    expect((header["changeType"], header["recordIds"]), ("DELETE", [accounts[2]]))
    assert all(value is None for value in fields.values()), fields

with check("what one transaction did has one key and its order"):
    root = f"/services/data/v{org.sf_version}/sobjects"
    requested = [
        {"method": "POST", "url": f"{root}/Account", "referenceId": "account", "body": {"Name": "Whole"}},
        {
            "method": "POST",
            "url": f"{root}/Contact",
            "referenceId": "contact",
            "body": {"FirstName": "Anna", "LastName": "Weber", "AccountId": "@{account.id}"},
        },
    ]
    whole = json.dumps({"allOrNone": True, "compositeRequest": requested})
    (first, _), (second, contact) = after(
        lambda: org.restful("composite", method="POST", data=whole), 2, "/data/ChangeEvents"
    )
    expect([first["entityName"], second["entityName"]], ["Account", "Contact"])
    expect((first["transactionKey"], first["commitNumber"]), (second["transactionKey"], second["commitNumber"]))
    expect((first["sequenceNumber"], second["sequenceNumber"]), (1, 2))
    expect((contact["Name"]["FirstName"], contact["Name"]["LastName"]), ("Anna", "Weber"))

for promise, replay_id in [
    ("a replay id that is none is refused", b"nonsense!"),
    ("a replay id that is too old is refused", bytes(8)),
]:
    with check(promise):
        with refusal(grpc.RpcError) as refused:
            with Subscription(CHANGES, 1, api.CUSTOM, replay_id) as subscription:
                next(subscription.call)
        expect(refused.error.code(), grpc.StatusCode.INVALID_ARGUMENT)
        # The documentation does not tell which of the two codes an old id gets; a client has to act on both alike.
        fetch = "sfdc.platform.eventbus.grpc.subscription.fetch.replayid"
        assert vendor_code(refused.error) in (f"{fetch}.corrupted", f"{fetch}.validation.failed"), vendor_code(
            refused.error
        )

with check("the id of a call that failed is in its text and in its trailers"):
    told = dict(refused.error.trailing_metadata())
    assert "rpc-id" in told, f"there is none in {told}"
    assert f"rpcId: {told['rpc-id']}" in refused.error.details(), refused.error.details()

with check("a request for no events is refused"):
    with refusal(grpc.RpcError) as refused:
        with Subscription(CHANGES, 0) as subscription:
            next(subscription.call)
    expect(refused.error.code(), grpc.StatusCode.INVALID_ARGUMENT)


def producer(identity, **fields):
    """A platform event that is ready to be published."""
    schema_id = topic(EVENTS).schema_id
    whole = {"CreatedDate": 1_700_000_000_000, "CreatedById": user, "Number__c": None, "Amount__c": None, **fields}
    return api.ProducerEvent(id=identity, schema_id=schema_id, payload=encode(schema_id, whole))


user = org.Account.get(accounts[0])["CreatedById"]
with check("platform events are published, each with a result of its own, and received"):
    keys = [str(uuid.uuid4()) for _ in range(3)]
    sent = [
        producer(keys[0], Number__c="7", Amount__c=1.25),
        producer(keys[1]),
        api.ProducerEvent(id=keys[2], schema_id=topic(EVENTS).schema_id, payload=b"\x01\x02\x03"),
    ]
    answer = stub.Publish(api.PublishRequest(topic_name=EVENTS, events=sent), metadata=metadata, timeout=TIMEOUT)
    expect([result.correlation_key for result in answer.results], keys)
    expect([result.HasField("error") for result in answer.results], [False, False, True])
    expect((answer.results[2].error.code, answer.schema_id), (api.PUBLISH, topic(EVENTS).schema_id))
    with Subscription(EVENTS, 2) as subscription:
        events, _ = subscription.take(2)
    expect([event.replay_id for event in events], [result.replay_id for result in answer.results[:2]])
    expect([(decode(event)["Number__c"], decode(event)["Amount__c"]) for event in events], [("7", 1.25), (None, None)])
    expect(decode(events[0])["CreatedById"], user)

with check("an event keeps the id that its publisher gave it"):
    expect([event.event.id for event in events], keys[:2])

with check("an event published over REST is received with the id that the answer told"):
    told = org.restful("sobjects/Shipped__e", method="POST", data=json.dumps({"Number__c": "8"}))
    expect((told["success"], told["errors"][0]["statusCode"]), (True, "OPERATION_ENQUEUED"))
    with Subscription(EVENTS, 1, api.CUSTOM, events[-1].replay_id) as subscription:
        [heard], _ = subscription.take(1)
    expect(decode(heard)["Number__c"], "8")
    expect(heard.event.id, told["errors"][0]["message"])

with check("a stream of publish requests is answered one by one"):
    requests = [
        api.PublishRequest(topic_name=EVENTS, events=[producer("d")]),
        api.PublishRequest(events=[producer("e")]),
    ]
    answers = list(stub.PublishStream(iter(requests), metadata=metadata, timeout=TIMEOUT))
    expect([[result.correlation_key for result in answer.results] for answer in answers], [["d"], ["e"]])

with check("a stream of publish requests keeps to its topic"):
    requests = [
        api.PublishRequest(topic_name=EVENTS, events=[producer("f")]),
        api.PublishRequest(topic_name=CHANGES, events=[producer("g")]),
    ]
    with refusal(grpc.RpcError) as refused:
        list(stub.PublishStream(iter(requests), metadata=metadata, timeout=TIMEOUT))
    expect(refused.error.code(), grpc.StatusCode.INVALID_ARGUMENT)

with check("changes cannot be published"):
    with refusal(grpc.RpcError) as refused:
        stub.Publish(api.PublishRequest(topic_name=CHANGES, events=[producer("h")]), metadata=metadata, timeout=TIMEOUT)

channel.close()
finish()

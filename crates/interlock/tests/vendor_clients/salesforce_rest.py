"""simple-salesforce against the REST API: what its users do, and what the vendor's documentation promises them."""

import csv
import io
import json
from datetime import datetime, timezone

import requests
from simple_salesforce import Salesforce, format_soql
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceMalformedRequest,
    SalesforceMoreThanOneRecord,
    SalesforceResourceNotFound,
)

from checks import TIMEOUT, check, expect, finish, given, refusal
from salesforce_org import URL, VERSION, session, sign_in

USERNAME = given("SALESFORCE_USERNAME")
KEY_FILE = given("SALESFORCE_PRIVATE_KEY_FILE")

PAGE = 2000
COLLECTION = 200


def jwt(**changed):
    """Signs in with the JWT bearer flow."""
    options = {
        "username": USERNAME,
        "consumer_key": given("SALESFORCE_CLIENT_ID"),
        "privatekey_file": KEY_FILE,
        "instance_url": "acme.my",
        "version": VERSION,
        "session": session(),
    }
    return Salesforce(**{**options, **changed})


def code(error):
    """The vendor's code of the first error in a refused answer."""
    return error.content[0]["errorCode"]


with check("the client credentials flow opens a session"):
    org = sign_in()
    assert org.session_id.startswith("00D"), org.session_id
    assert org.is_sandbox() is not None

with check("a wrong secret is refused with invalid_client"):
    with refusal(SalesforceAuthenticationFailed) as refused:
        sign_in(consumer_secret="wrong")
    expect(refused.error.code, "invalid_client")

with check("the JWT bearer flow opens a session"):
    assert jwt().query("SELECT Id FROM Organization")["totalSize"] == 1

with check("a user who has not approved the app is refused with invalid_grant"):
    with refusal(SalesforceAuthenticationFailed) as refused:
        jwt(username="nobody@interlock.example")
    expect(refused.error.code, "invalid_grant")

with check("userinfo tells who is signed in"):
    expect(org.oauth2("userinfo")["preferred_username"], USERNAME)

with check("an access token and an instance are enough"):
    token, instance = org.session_id, org.sf_instance
    direct = Salesforce(session_id=token, instance=instance, version=VERSION, session=session())
    assert direct.limits()["DailyApiRequests"]["Max"] > 0

with check("limits and the header Sforce-Limit-Info tell of the same budget"):
    limits = org.limits()["DailyApiRequests"]
    usage = org.api_usage["api-usage"]
    expect((usage.total, usage.total - usage.used), (limits["Max"], limits["Remaining"]))

with check("describe lists the objects of the org"):
    described = org.describe()
    expect((described["encoding"], described["maxBatchSize"]), ("UTF-8", 200))
    objects = {described_object["name"]: described_object for described_object in described["sobjects"]}
    expect((objects["Account"]["keyPrefix"], objects["Account"]["createable"]), ("001", True))
    expect((objects["Shipped__e"]["queryable"], objects["Shipped__e"]["custom"]), (False, True))
    assert objects["Quote"]["urls"]["describe"].endswith("/sobjects/Quote/describe")

with check("describe of an object tells of fields, picklists, keys and children"):
    described = org.Account.describe()
    fields = {field["name"]: field for field in described["fields"]}
    expect((fields["Id"]["type"], fields["Id"]["length"], fields["Id"]["nillable"]), ("id", 18, False))
    expect((fields["Name"]["type"], fields["Name"]["nameField"], fields["Name"]["nillable"]), ("string", True, False))
    expect((fields["Key__c"]["externalId"], fields["Key__c"]["unique"], fields["Key__c"]["custom"]), (True, True, True))
    expect((fields["ParentId"]["type"], fields["ParentId"]["referenceTo"]), ("reference", ["Account"]))
    assert "Hot" in [value["value"] for value in fields["Rating"]["picklistValues"]]
    expect(fields["BillingCity"]["compoundFieldName"], "BillingAddress")
    assert ("Contact", "Contacts") in [
        (child["childSObject"], child["relationshipName"]) for child in described["childRelationships"]
    ]
    expect(org.Account.metadata()["objectDescribe"]["name"], "Account")

with check("a record is created and read back"):
    created = org.Account.create(
        {"Name": "O'Neill & Söhne 茶", "AnnualRevenue": 1250000, "BillingCity": "Köln", "Rating": "Hot"}
    )
    expect((created["success"], created["errors"]), (True, []))
    account = created["id"]
    assert len(account) == 18 and account.startswith("001"), account
    read = org.Account.get(account)
    expect(read["attributes"], {"type": "Account", "url": f"/services/data/v{VERSION}/sobjects/Account/{account}"})
    expect((read["Name"], read["AnnualRevenue"], read["Phone"]), ("O'Neill & Söhne 茶", 1250000.0, None))
    expect(read["BillingAddress"]["city"], "Köln")
    age = datetime.now(timezone.utc) - datetime.strptime(read["CreatedDate"], "%Y-%m-%dT%H:%M:%S.%f%z")
    assert abs(age.total_seconds()) < 60, read["CreatedDate"]
    assert org.Account.get(account[:15])["Id"] == account

with check("a field's value is read alone"):
    read = org.restful(f"sobjects/Account/{account}", params={"fields": "Name,Rating"})
    expect((read["Name"], read["Rating"], "Phone" in read), ("O'Neill & Söhne 茶", "Hot", False))

with check("an update answers 204 and changes only what it names"):
    expect(org.Account.update(account, {"Rating": None, "Phone": "+49 221 1"}), 204)
    read = org.Account.get(account)
    expect((read["Rating"], read["Phone"], read["BillingCity"]), (None, "+49 221 1", "Köln"))

with check("an upsert creates with 201 and then updates with 200"):
    first = org.Account.upsert("Key__c/K-1", {"Name": "Upserted"}, raw_response=True)
    expect((first.status_code, first.json()["created"], first.json()["success"]), (201, True, True))
    second = org.Account.upsert("Key__c/K-1", {"Name": "Upserted again"}, raw_response=True)
    expect((second.status_code, second.json()["created"]), (200, False))
    expect(second.json()["id"], first.json()["id"])
    read = org.Account.get_by_custom_id("Key__c", "K-1")
    expect((read["Id"], read["Name"], read["Key__c"]), (first.json()["id"], "Upserted again", "K-1"))

with check("an upsert whose body repeats the external id is refused"):
    with refusal(SalesforceMalformedRequest) as refused:
        org.Account.upsert("Key__c/K-1", {"Name": "Upserted", "Key__c": "K-1"})
    expect(code(refused.error), "INVALID_FIELD")

with check("an external id that several records have answers 300 with their addresses"):
    for name in ("North 1", "North 2"):
        org.Account.create({"Name": name, "Region__c": "north"})
    with refusal(SalesforceMoreThanOneRecord) as refused:
        org.Account.upsert("Region__c/north", {"Phone": "1"})
    expect(len(refused.error.content), 2)
    assert all(
        address.startswith(f"/services/data/v{VERSION}/sobjects/Account/001") for address in refused.error.content
    )

for promise, call, kind, wanted, fields in [
    (
        "a missing required field is named",
        lambda: org.Account.create({}),
        SalesforceMalformedRequest,
        "REQUIRED_FIELD_MISSING",
        ["Name"],
    ),
    (
        "an unknown field is refused",
        lambda: org.Account.create({"Name": "X", "Nonsense__c": 1}),
        SalesforceMalformedRequest,
        "INVALID_FIELD",
        None,
    ),
    (
        "a text that is too long is refused",
        lambda: org.Account.create({"Name": "x" * 256}),
        SalesforceMalformedRequest,
        "STRING_TOO_LONG",
        ["Name"],
    ),
    (
        "a second record with a unique key is refused",
        lambda: org.Account.create({"Name": "X", "Key__c": "K-1"}),
        SalesforceMalformedRequest,
        "DUPLICATE_VALUE",
        [],
    ),
    (
        "an id of nothing is not found",
        lambda: org.Account.get("001000000000001AAA"),
        SalesforceResourceNotFound,
        "NOT_FOUND",
        None,
    ),
    (
        "an object that does not exist is not found",
        lambda: org.Nonsense__c.create({"Name": "X"}),
        SalesforceResourceNotFound,
        "NOT_FOUND",
        None,
    ),
    (
        "a query with an unknown field is refused",
        lambda: org.query("SELECT Nonsense__c FROM Account"),
        SalesforceMalformedRequest,
        "INVALID_FIELD",
        None,
    ),
    (
        "a query with an unknown object is refused",
        lambda: org.query("SELECT Id FROM Nonsense__c"),
        SalesforceMalformedRequest,
        "INVALID_TYPE",
        None,
    ),
    (
        "a query that is no SOQL is refused",
        lambda: org.query("SELECT FROM WHERE"),
        SalesforceMalformedRequest,
        "MALFORMED_QUERY",
        None,
    ),
]:
    with check(promise):
        with refusal(kind) as refused:
            call()
        expect(code(refused.error), wanted)
        if fields is not None:
            expect(refused.error.content[0]["fields"], fields)

with check("values are quoted by the client and found by the query"):
    found = org.query(format_soql("SELECT Id, Name FROM Account WHERE Name = {}", "O'Neill & Söhne 茶"))
    expect((found["totalSize"], found["done"], found["records"][0]["Id"]), (1, True, account))
    found = org.query(format_soql("SELECT Id FROM Account WHERE Name LIKE '{:like}%'", "O'Neill & S"))
    expect(found["totalSize"], 1)

with check("parents and children are queried along"):
    contact = org.Contact.create({"LastName": "Weber", "FirstName": "Anna", "AccountId": account})["id"]
    child = org.query(f"SELECT Name, Account.Name, Account.BillingCity FROM Contact WHERE Id = '{contact}'")["records"][
        0
    ]
    expect((child["Name"], child["Account"]["Name"]), ("Anna Weber", "O'Neill & Söhne 茶"))
    expect(child["Account"]["attributes"]["type"], "Account")
    parent = org.query(f"SELECT Id, (SELECT LastName FROM Contacts) FROM Account WHERE Id = '{account}'")["records"][0]
    expect((parent["Contacts"]["totalSize"], parent["Contacts"]["records"][0]["LastName"]), (1, "Weber"))
    none = org.query("SELECT Id, (SELECT Id FROM Contacts) FROM Account WHERE Key__c = 'K-1'")["records"][0]
    expect(none["Contacts"], None)

with check("counts and groups are computed"):
    counted = org.query("SELECT COUNT() FROM Account WHERE Region__c = 'north'")
    expect((counted["totalSize"], counted["records"]), (2, []))
    grouped = org.query("SELECT Region__c, COUNT(Id) FROM Account WHERE Region__c != null GROUP BY Region__c")[
        "records"
    ]
    expect(
        [(row["attributes"]["type"], row["Region__c"], row["expr0"]) for row in grouped],
        [("AggregateResult", "north", 2)],
    )

with check("a collection of 200 is created in its order"):
    ids = []
    for page in range(PAGE // COLLECTION + 1):
        records = [
            {"attributes": {"type": "Account"}, "Name": f"Page {page * COLLECTION + place:05}", "Site": "paging"}
            for place in range(COLLECTION)
        ]
        rows = org.restful(
            "composite/sobjects", method="POST", data=json.dumps({"allOrNone": True, "records": records})
        )
        assert all(row["success"] for row in rows)
        ids.extend(row["id"] for row in rows)
    expect(len(set(ids)), PAGE + COLLECTION)

with check("a long query comes in pages of at most 2000"):
    query = "SELECT Id, Name FROM Account WHERE Site = 'paging' ORDER BY Name"
    first = org.query(query)
    expect((first["totalSize"], first["done"]), (PAGE + COLLECTION, False))
    assert 0 < len(first["records"]) <= PAGE
    assert first["nextRecordsUrl"].startswith(f"/services/data/v{VERSION}/query/"), first["nextRecordsUrl"]
    second = org.query_more(first["nextRecordsUrl"], identifier_is_url=True)
    expect((second["done"], "nextRecordsUrl" in second), (True, False))
    expect([record["Id"] for record in first["records"] + second["records"]], ids)
    again = org.query_more(first["nextRecordsUrl"].rsplit("/", 1)[1])
    expect(len(again["records"]), len(second["records"]))

with check("query_all follows all pages, of a size that the client wishes"):
    expect(org.query_all(query)["totalSize"], PAGE + COLLECTION)
    wish = {"Sforce-Query-Options": "batchSize=500"}
    assert len(org.query(query, headers=wish)["records"]) <= PAGE
    expect([record["Id"] for record in org.query_all_iter(query, headers=wish)], ids)

with check("a locator that does not exist is refused"):
    with refusal(SalesforceMalformedRequest) as refused:
        org.query_more("0r8000000000001AAA-2000")
    expect(code(refused.error), "INVALID_QUERY_LOCATOR")

with check("a collection tells row by row what was refused"):
    records = [{"attributes": {"type": "Account"}, "Name": "Row"}, {"attributes": {"type": "Account"}}]
    rows = org.restful("composite/sobjects", method="POST", data=json.dumps({"records": records}))
    expect([row["success"] for row in rows], [True, False])
    expect((rows[1]["errors"][0]["statusCode"], rows[1]["errors"][0]["fields"]), ("REQUIRED_FIELD_MISSING", ["Name"]))
    rows = org.restful("composite/sobjects", method="POST", data=json.dumps({"allOrNone": True, "records": records}))
    expect([row["success"] for row in rows], [False, False])
    expect(rows[0]["errors"][0]["statusCode"], "ALL_OR_NONE_OPERATION_ROLLED_BACK")
    expect(org.query("SELECT COUNT() FROM Account WHERE Name = 'Row'")["totalSize"], 1)

with check("more than 200 records of a collection are refused"):
    records = [{"attributes": {"type": "Account"}, "Name": "X"}] * (COLLECTION + 1)
    with refusal(SalesforceMalformedRequest) as refused:
        org.restful("composite/sobjects", method="POST", data=json.dumps({"records": records}))
    expect(code(refused.error), "EXCEEDED_ID_LIMIT")

with check("collections update, upsert, read and delete"):
    records = [{"attributes": {"type": "Account"}, "id": identity, "Phone": "7"} for identity in ids[:3]]
    rows = org.restful("composite/sobjects", method="PATCH", data=json.dumps({"records": records}))
    expect([(row["id"], row["success"], row["errors"]) for row in rows], [(identity, True, []) for identity in ids[:3]])
    records = [{"attributes": {"type": "Account"}, "Key__c": key, "Name": key} for key in ("K-1", "K-2")]
    rows = org.restful("composite/sobjects/Account/Key__c", method="PATCH", data=json.dumps({"records": records}))
    expect([row["created"] for row in rows], [False, True])
    wanted = {"ids": ids[:2] + ["001000000000001AAA"], "fields": ["Phone"]}
    rows = org.restful("composite/sobjects/Account", method="POST", data=json.dumps(wanted))
    expect([row and row["Phone"] for row in rows], ["7", "7", None])
    rows = org.restful("composite/sobjects", method="DELETE", params={"ids": ",".join(ids[:3]), "allOrNone": "true"})
    expect([row["success"] for row in rows], [True] * 3)

with check("a deleted record is gone, and told of by queryAll only"):
    expect(org.Account.delete(ids[3]), 204)
    with refusal(SalesforceResourceNotFound) as refused:
        org.Account.get(ids[3])
    with refusal(SalesforceResourceNotFound) as refused:
        org.Account.delete(ids[3])
    expect(code(refused.error), "ENTITY_IS_DELETED")
    gone = f"SELECT Id, IsDeleted FROM Account WHERE Id = '{ids[3]}'"
    expect((org.query(gone)["totalSize"], org.query(gone, include_deleted=True)["records"][0]["IsDeleted"]), (0, True))

with check("a composite request uses earlier results"):
    root = f"/services/data/v{VERSION}"
    requested = [
        {"method": "POST", "url": f"{root}/sobjects/Account", "referenceId": "account", "body": {"Name": "Composite"}},
        {
            "method": "POST",
            "url": f"{root}/sobjects/Contact",
            "referenceId": "contact",
            "body": {"LastName": "Composite", "AccountId": "@{account.id}"},
        },
        {"method": "GET", "url": f"{root}/sobjects/Contact/@{{contact.id}}?fields=AccountId", "referenceId": "read"},
    ]
    parts = org.restful("composite", method="POST", data=json.dumps({"compositeRequest": requested}))[
        "compositeResponse"
    ]
    expect(
        [(part["referenceId"], part["httpStatusCode"]) for part in parts],
        [("account", 201), ("contact", 201), ("read", 200)],
    )
    expect(parts[2]["body"]["AccountId"], parts[0]["body"]["id"])
    assert parts[0]["httpHeaders"]["Location"].endswith(parts[0]["body"]["id"])

with check("a composite request with allOrNone keeps all or nothing"):
    requested[0]["body"] = {"Name": "Halted"}
    requested[1]["body"] = {"AccountId": "@{account.id}"}
    whole = {"allOrNone": True, "compositeRequest": requested}
    parts = org.restful("composite", method="POST", data=json.dumps(whole))["compositeResponse"]
    expect([part["httpStatusCode"] for part in parts], [400, 400, 400])
    expect(
        [part["body"][0]["errorCode"] for part in parts],
        ["PROCESSING_HALTED", "REQUIRED_FIELD_MISSING", "PROCESSING_HALTED"],
    )
    expect(org.query("SELECT COUNT() FROM Account WHERE Name = 'Halted'")["totalSize"], 0)

with check("a tree creates parents with their children"):
    tree = {
        "records": [
            {
                "attributes": {"type": "Account", "referenceId": "parent"},
                "Name": "Tree",
                "Contacts": {
                    "records": [{"attributes": {"type": "Contact", "referenceId": "child"}, "LastName": "Leaf"}]
                },
            }
        ]
    }
    planted = org.restful("composite/tree/Account", method="POST", data=json.dumps(tree))
    expect((planted["hasErrors"], [row["referenceId"] for row in planted["results"]]), (False, ["parent", "child"]))
    expect(
        org.query("SELECT Account.Name FROM Contact WHERE LastName = 'Leaf'")["records"][0]["Account"]["Name"], "Tree"
    )

with check("amounts of a quote add up and read-only fields are refused"):
    book = org.query("SELECT Id FROM Pricebook2 WHERE IsStandard = true")["records"][0]["Id"]
    product = org.Product2.create({"Name": "Teapot", "ProductCode": "T-1", "IsActive": True})["id"]
    entry = org.PricebookEntry.create(
        {"Pricebook2Id": book, "Product2Id": product, "UnitPrice": 4.25, "IsActive": True}
    )["id"]
    deal = org.Opportunity.create(
        {
            "Name": "Deal",
            "AccountId": account,
            "StageName": "Prospecting",
            "CloseDate": "2030-01-31",
            "Pricebook2Id": book,
        }
    )["id"]
    quote = org.Quote.create({"Name": "Quote", "OpportunityId": deal, "Pricebook2Id": book})["id"]
    org.QuoteLineItem.create({"QuoteId": quote, "PricebookEntryId": entry, "Quantity": 3, "UnitPrice": 4.25})
    read = org.Quote.get(quote)
    expect((read["GrandTotal"], read["LineItemCount"], read["AccountId"], read["Status"]), (12.75, 1, account, "Draft"))
    with refusal(SalesforceMalformedRequest) as refused:
        org.Quote.update(quote, {"GrandTotal": 1})
    expect(code(refused.error), "INVALID_FIELD_FOR_INSERT_UPDATE")

with check("many records go in and out as bulk jobs, one row's error stopping no other"):
    rows = [
        {"Key__c": f"bulk-{number}", "Name": f'Bulk "{number}",\nLtd' if number else "", "Region__c": "bulk"}
        for number in range(5)
    ]
    job = org.bulk2.Account.upsert(records=rows, external_id_field="Key__c")[0]
    expect((job["numberRecordsProcessed"], job["numberRecordsFailed"]), (5, 1))
    failed = org.bulk2.Account.get_failed_records(job["job_id"])
    assert "REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --" in failed, failed
    asked = "SELECT Id, Name, Region__c FROM Account WHERE Region__c = 'bulk'"
    sets = list(org.bulk2.Account.query(asked, max_records=3))
    read = [row for part in sets for row in csv.DictReader(io.StringIO(part))]
    expect((len(sets), len(read), read[0]["Name"]), (2, 4, 'Bulk "1",\nLtd'))
    job = org.bulk2.Account.delete(records=[{"Id": row["Id"]} for row in read])[0]
    expect((job["numberRecordsProcessed"], job["numberRecordsFailed"]), (4, 0))
    with refusal(SalesforceMalformedRequest) as refused:
        list(org.bulk2.Account.query("SELECT Id, (SELECT Id FROM Contacts) FROM Account"))
    expect(code(refused.error), "API_ERROR")

with check("a session that has ended is opened anew by the client"):
    ended = org.session_id
    requests.post(f"{URL}/_sandbox/end-sessions", timeout=TIMEOUT).raise_for_status()
    expect(org.query("SELECT Id FROM Organization")["totalSize"], 1)
    assert org.session_id != ended

finish()

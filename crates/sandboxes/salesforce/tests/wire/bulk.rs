//! Bulk API 2.0: jobs that take and give many records as CSV.

use std::io::Read as _;
use std::time::Duration;

use apache_avro::types::Value as Avro;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::support::{DATA, From, Org, code, header};

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

impl Org {
    async fn upload(&self, id: &str, data: String) -> StatusCode {
        let request = self.request(Method::PUT, &format!("/jobs/ingest/{id}/batches"));
        request.header("content-type", "text/csv").body(data).send().await.expect("an answer").status()
    }

    async fn close(&self, kind: &str, id: &str, state: &str) -> (StatusCode, Value) {
        self.send(Method::PATCH, &format!("/jobs/{kind}/{id}"), json!({ "state": state })).await
    }

    /// The job when it has ended, and the states that were seen on the way.
    async fn ended(&self, kind: &str, id: &str) -> (Value, Vec<String>) {
        let mut states = Vec::new();
        let polling = async {
            loop {
                let (status, job) = self.get(&format!("/jobs/{kind}/{id}")).await;
                assert_eq!(status, 200, "{job}");
                let state = text(&job["state"]).to_owned();
                if states.last() != Some(&state) {
                    states.push(state.clone());
                }
                if ["JobComplete", "Failed", "Aborted"].contains(&&*state) {
                    return job;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let job = tokio::time::timeout(Duration::from_secs(20), polling).await.expect("an end in time");
        (job, states)
    }

    /// An ingest job from beginning to end: the job, and its successful, failed and unprocessed rows.
    async fn ingest(&self, job: Value, data: impl Into<String>) -> (Value, [Vec<Vec<String>>; 3]) {
        let (status, opened) = self.send(Method::POST, "/jobs/ingest", job).await;
        assert_eq!(status, 200, "{opened}");
        let id = text(&opened["id"]).to_owned();
        assert_eq!(self.upload(&id, data.into()).await, 201);
        let (status, closed) = self.close("ingest", &id, "UploadComplete").await;
        assert_eq!((status.as_u16(), &closed["state"]), (200, &json!("UploadComplete")));
        let job = self.ended("ingest", &id).await.0;
        (job, self.told(&id).await)
    }

    async fn told(&self, id: &str) -> [Vec<Vec<String>>; 3] {
        let mut told = [Vec::new(), Vec::new(), Vec::new()];
        for (which, rows) in ["successfulResults", "failedResults", "unprocessedrecords"].iter().zip(&mut told) {
            *rows = lines(self.csv(&format!("/jobs/ingest/{id}/{which}/")).await).await;
        }
        told
    }

    async fn csv(&self, path: &str) -> Response {
        self.request(Method::GET, path).header("accept", "text/csv").send().await.expect("an answer")
    }

    async fn bulk_query(&self, soql: &str) -> (StatusCode, Value) {
        self.send(Method::POST, "/jobs/query", json!({"operation": "query", "query": soql})).await
    }
}

/// The lines of an answer, the header first.
async fn lines(response: Response) -> Vec<Vec<String>> {
    assert_eq!(response.status(), 200);
    assert!(response.headers()["content-type"].to_str().expect("a text").starts_with("text/csv"));
    let body = response.text().await.expect("a text");
    // Results come in the dialect of their job.
    let tabs = body.lines().next().is_some_and(|header| header.contains('\t'));
    let delimiter = if tabs { b'\t' } else { b',' };
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(body.as_bytes());
    reader.records().map(|row| row.expect("CSV").iter().map(str::to_owned).collect()).collect()
}

fn job(operation: &str) -> Value {
    json!({"object": "Account", "operation": operation, "contentType": "CSV", "lineEnding": "LF"})
}

#[tokio::test]
async fn a_job_says_what_the_vendors_jobs_say_and_shows_its_states_in_order() {
    let org = Org::start().await;
    let (_, opened) = org.send(Method::POST, "/jobs/ingest", job("insert")).await;
    let id = text(&opened["id"]).to_owned();
    assert!(id.starts_with("750") && id.len() == 18, "{id}");
    assert_eq!(opened["contentUrl"], format!("services/data/v67.0/jobs/ingest/{id}/batches"));
    assert_eq!((&opened["state"], &opened["apiVersion"]), (&json!("Open"), &json!(67.0)));
    assert_eq!((&opened["columnDelimiter"], &opened["concurrencyMode"]), (&json!("COMMA"), &json!("Parallel")));
    assert_eq!(org.upload(&id, "Name\na\nb\n".to_owned()).await, 201);
    assert_eq!(org.upload(&id, "Name\nc\n".to_owned()).await, 400);
    let (status, refused) = org.send(Method::DELETE, &format!("/jobs/ingest/{id}"), Value::Null).await;
    assert_eq!((status.as_u16(), code(&refused)), (400, "INVALIDJOBSTATE"));
    org.close("ingest", &id, "UploadComplete").await;
    let (done, states) = org.ended("ingest", &id).await;
    assert_eq!(states, ["InProgress", "JobComplete"]);
    assert_eq!((&done["numberRecordsProcessed"], &done["numberRecordsFailed"]), (&json!(2), &json!(0)));
    assert_eq!((&done["jobType"], &done["contentUrl"]), (&json!("V2Ingest"), &Value::Null));
    let (status, refused) = org.close("ingest", &id, "Aborted").await;
    assert_eq!((status.as_u16(), code(&refused)), (400, "INVALIDJOBSTATE"));
    assert_eq!(refused[0]["message"], "Aborting already Completed Job not allowed");
    let (_, all) = org.get("/jobs/ingest").await;
    assert_eq!((&all["done"], &all["records"][0]["id"]), (&json!(true), &json!(id)));
    assert_eq!(org.send(Method::DELETE, &format!("/jobs/ingest/{id}"), Value::Null).await.0, 204);
    assert_eq!(org.get(&format!("/jobs/ingest/{id}")).await.0, 404);
    assert_eq!(org.rows("SELECT Id FROM Account").await.len(), 2);
}

#[tokio::test]
async fn one_rows_error_never_stops_another() {
    let org = Org::start().await;
    org.create("Account", json!({"Name": "first", "Key__c": "1"})).await;
    let data = "Name,Key__c,NumberOfEmployees\na,,\n,2,\nb,1,\nc,3,many\n\" d, \"\"e\"\"\",4,7\n";
    let (done, [saved, failed, unprocessed]) = org.ingest(job("insert"), data).await;
    assert_eq!((&done["state"], &done["numberRecordsFailed"]), (&json!("JobComplete"), &json!(3)));
    assert_eq!(saved[0], ["sf__Id", "sf__Created", "Name", "Key__c", "NumberOfEmployees"]);
    assert_eq!(saved[1][1..], ["true", "a", "", ""]);
    assert_eq!(saved[2][1..], ["true", " d, \"e\"", "4", "7"]);
    let errors: Vec<&str> = failed[1..].iter().map(|row| row[1].as_str()).collect();
    assert_eq!(errors[0], "REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --");
    assert!(errors[1].starts_with("DUPLICATE_VALUE:duplicate value found: Key__c") && errors[1].ends_with(":--"));
    assert!(errors[2].starts_with("INVALID_TYPE_ON_FIELD_IN_RECORD:") && errors[2].ends_with(" --"), "{}", errors[2]);
    assert_eq!(unprocessed, [["Name", "Key__c", "NumberOfEmployees"]]);
    let rows = org.rows(&format!("SELECT Name FROM Account WHERE Id = '{}'", saved[2][0])).await;
    assert_eq!(rows[0]["Name"], " d, \"e\"");
}

#[tokio::test]
async fn upserts_updates_and_deletes_find_their_records() {
    let org = Org::start().await;
    let upsert = json!({
        "object": "Account", "operation": "upsert", "externalIdFieldName": "Key__c", "columnDelimiter": "TAB", "lineEnding": "CRLF",
    });
    let (_, [saved, ..]) = org.ingest(upsert.clone(), "Key__c\tName\tSite\r\n1\ta\tx\r\n2\tb\tx\r\n").await;
    assert_eq!((saved[1][1].as_str(), saved[2][1].as_str()), ("true", "true"));
    // An empty column leaves the field, #N/A empties it.
    let (_, [again, failed, _]) =
        org.ingest(upsert, "Key__c\tName\tSite\r\n1\t\t#N/A\r\n2\tc\t\r\n2\td\t\r\n\te\t\r\n").await;
    assert_eq!((again[1][0].as_str(), again[1][1].as_str()), (saved[1][0].as_str(), "false"));
    assert!(failed[1][1].starts_with("DUPLICATE_VALUE:") && failed[2][1].starts_with("MISSING_ARGUMENT:"));
    let rows = org.rows("SELECT Name, Site FROM Account ORDER BY Key__c").await;
    assert_eq!((&rows[0]["Name"], &rows[0]["Site"]), (&json!("a"), &Value::Null));
    assert_eq!((&rows[1]["Name"], &rows[1]["Site"]), (&json!("c"), &json!("x")));

    let (a, b) = (saved[1][0].clone(), saved[2][0].clone());
    let contact = json!({"object": "Contact", "operation": "insert"});
    let (_, [children, orphans, _]) = org.ingest(contact, "LastName,Account.Key__c\nOne,1\nTwo,9\nThree,#N/A\n").await;
    assert_eq!((children.len(), orphans.len()), (3, 2));
    assert!(orphans[1][1].starts_with("INVALID_FIELD:Foreign key external ID: 9 not found"), "{}", orphans[1][1]);
    assert_eq!(org.rows("SELECT Id FROM Contact WHERE Account.Key__c = '1'").await.len(), 1);

    let update = format!("Id,Name\n{a},A\n001000000000000AAA,x\nnonsense,y\n");
    let (_, [_, failed, _]) = org.ingest(job("update"), update).await;
    assert!(failed[1][1].starts_with("INVALID_CROSS_REFERENCE_KEY:") && failed[2][1].starts_with("MALFORMED_ID:"));
    let (_, [gone, failed, _]) = org.ingest(job("delete"), format!("Id\n{a}\n{a}\n")).await;
    assert_eq!(gone[1], [a.as_str(), "false", a.as_str()]);
    assert!(failed[1][1].starts_with("ENTITY_IS_DELETED:"));
    org.ingest(job("hardDelete"), format!("Id\n{b}\n")).await;
    let request = org.request(Method::GET, "/queryAll").query(&[("q", "SELECT Id FROM Account")]);
    let all: Value = request.send().await.expect("an answer").json().await.expect("JSON");
    assert_eq!((&all["totalSize"], &all["records"][0]["Id"]), (&json!(1), &json!(a)));
}

#[tokio::test]
async fn data_that_does_not_fit_its_job_fails_it_and_changes_nothing() {
    let org = Org::start().await;
    for (data, error) in [
        ("Name,Nonsense__c\na,b\n", "InvalidBatch : Field name not found : Nonsense__c"),
        ("Name\r\na\r\n", "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is LF"),
    ] {
        let (failed, [_, _, unprocessed]) = org.ingest(job("insert"), data).await;
        assert_eq!((&failed["state"], &failed["errorMessage"]), (&json!("Failed"), &json!(error)));
        assert_eq!(unprocessed.len(), 2, "{unprocessed:?}");
    }
    // A row that does not fit its header ends the job; the rows before it are done.
    let (failed, [saved, _, unprocessed]) = org.ingest(job("insert"), "Name,Site\na,x\nb\nc,x\n").await;
    assert_eq!((&failed["state"], &failed["numberRecordsProcessed"]), (&json!("Failed"), &json!(1)));
    assert_eq!((saved[1][2].as_str(), unprocessed.len()), ("a", 3));
    assert_eq!(org.rows("SELECT Id FROM Account").await.len(), 1);
    let (_, opened) = org.send(Method::POST, "/jobs/ingest", job("insert")).await;
    let long = "Name\n".to_owned() + &"x".repeat(112_500_000);
    assert_eq!(org.upload(text(&opened["id"]), long).await, 413);
    for (body, wanted) in [
        (json!({"object": "Nothing", "operation": "insert"}), "INVALIDENTITY"),
        (json!({"object": "Account", "operation": "merge"}), "INVALIDOPERATION"),
        (json!({"object": "Account", "operation": "upsert"}), "INVALIDJOB"),
        (json!({"object": "Account", "operation": "insert", "lineEnding": "CR"}), "JSON_PARSER_ERROR"),
    ] {
        let (status, answer) = org.send(Method::POST, "/jobs/ingest", body).await;
        assert_eq!((status.as_u16(), code(&answer)), (400, wanted), "{answer}");
    }
}

#[tokio::test]
async fn a_job_comes_with_its_data_and_an_aborted_one_does_nothing() {
    let org = Org::start().await;
    let body = "--BOUNDARY\r\nContent-Type: application/json\r\nContent-Disposition: form-data; name=\"job\"\r\n\r\n{\"object\":\"Account\",\"contentType\":\"CSV\",\"operation\":\"insert\",\"lineEnding\":\"LF\"}\r\n--BOUNDARY\r\nContent-Type: text/csv\r\nContent-Disposition: form-data; name=\"content\"; filename=\"content\"\r\n\r\nName\na\n\r\n--BOUNDARY--\r\n";
    let request = org.request(Method::POST, "/jobs/ingest/");
    let request = request.header("content-type", "multipart/form-data; boundary=\"BOUNDARY\"").body(body);
    let opened: Value = request.send().await.expect("an answer").json().await.expect("JSON");
    assert_eq!(opened["state"], "UploadComplete");
    let (done, _) = org.ended("ingest", text(&opened["id"])).await;
    assert_eq!((&done["state"], &done["numberRecordsProcessed"]), (&json!("JobComplete"), &json!(1)));

    let (_, opened) = org.send(Method::POST, "/jobs/ingest", job("insert")).await;
    let id = text(&opened["id"]);
    org.upload(id, "Name\nb\nc\n".to_owned()).await;
    assert_eq!(org.close("ingest", id, "Aborted").await.1["state"], "Aborted");
    assert_eq!(org.close("ingest", id, "UploadComplete").await.0, 400);
    assert_eq!(org.told(id).await[2], [["Name"], ["b"], ["c"]]);
    assert_eq!(org.rows("SELECT Name FROM Account").await.len(), 1);
}

#[tokio::test]
async fn changes_are_told_as_from_others_with_the_clients_name() {
    let org = Org::start().await;
    let request = org.request(Method::POST, "/jobs/ingest").header("Sforce-Call-Options", "client=loader");
    let opened: Value = request.json(&job("insert")).send().await.expect("an answer").json().await.expect("JSON");
    let id = text(&opened["id"]);
    org.upload(id, "Name\na\n".to_owned()).await;
    org.close("ingest", id, "UploadComplete").await;
    org.ended("ingest", id).await;
    let mut pubsub = org.pubsub().await;
    let mut events = pubsub.subscribe("/data/AccountChangeEvent", From::Earliest, 10).await.expect("a subscription");
    let heard = events.next(1).await.expect("events");
    let fields = pubsub.decode(&heard[0].schema, &heard[0].payload).await;
    let Avro::String(origin) = header(&fields, "changeOrigin") else { panic!("no origin in {fields:?}") };
    assert!(origin.ends_with(";client=loader"), "{origin}");
}

#[tokio::test]
async fn query_results_come_in_sets_that_stay_the_same() {
    let org = Org::start().await;
    let data: String = (0..5).map(|number| format!("{number},\"a \"\"{number}\"\"\"\n")).collect();
    org.ingest(job("insert"), format!("Key__c,Name\n{data}")).await;
    let (status, opened) =
        org.bulk_query("SELECT Id, Name, CreatedDate, Parent.Name, IsDeleted FROM Account ORDER BY Key__c").await;
    assert_eq!((status.as_u16(), &opened["state"]), (200, &json!("UploadComplete")));
    let id = text(&opened["id"]);
    let (done, states) = org.ended("query", id).await;
    assert_eq!(states, ["InProgress", "JobComplete"]);
    assert_eq!((&done["numberRecordsProcessed"], &done["jobType"]), (&json!(5), &json!("V2Query")));
    let first = org.csv(&format!("/jobs/query/{id}/results?maxRecords=3")).await;
    assert_eq!(first.headers()["sforce-numberofrecords"], "3");
    let locator = first.headers()["sforce-locator"].to_str().expect("a text").to_owned();
    let first = lines(first).await;
    assert_eq!(first[0], ["Id", "Name", "CreatedDate", "Parent.Name", "IsDeleted"]);
    assert_eq!((first[1][1].as_str(), first[1][3].as_str(), first[1][4].as_str()), ("a \"0\"", "", "false"));
    assert!(first[1][2].ends_with(".000Z"), "{}", first[1][2]);
    // What changes later does not change the results.
    org.send(Method::PATCH, &format!("/sobjects/Account/{}", first[1][0]), json!({"Name": "z"})).await;
    let rest = format!("/jobs/query/{id}/results?maxRecords=3&locator={locator}");
    let second = org.csv(&rest).await;
    assert_eq!(
        (second.headers()["sforce-locator"].as_bytes(), second.headers()["sforce-numberofrecords"].as_bytes()),
        (&b"null"[..], &b"2"[..])
    );
    let second = lines(second).await;
    assert_eq!(second.len(), 3);
    assert_eq!(lines(org.csv(&rest).await).await, second);
    // A client that does not unpack by itself.
    let plain = reqwest::Client::builder().no_gzip().build().expect("a client");
    let packed = plain.get(format!("{}{DATA}{rest}", org.running.url)).bearer_auth(&org.token);
    let packed = packed.header("accept-encoding", "gzip").send().await.expect("an answer");
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    let (packed, mut text) = (packed.bytes().await.expect("a body"), String::new());
    flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut text).expect("gzip");
    assert_eq!(text.lines().count(), second.len());
    let (status, answer) = org.get(&format!("/jobs/query/{id}/results?locator=xyz")).await;
    assert_eq!((status.as_u16(), code(&answer)), (400, "INVALID_QUERY_LOCATOR"));
    assert_eq!(org.get(&format!("/jobs/ingest/{id}")).await.0, 404);
    assert_eq!(org.send(Method::DELETE, &format!("/jobs/query/{id}"), Value::Null).await.0, 204);
    let limits = org.get("/limits").await.1;
    assert_eq!(limits["DailyBulkV2QueryJobs"]["Remaining"], 9_999);
    assert_eq!(limits["DailyBulkApiBatches"]["Remaining"], 14_999);
}

#[tokio::test]
async fn queries_that_are_no_table_are_refused() {
    let org = Org::start().await;
    for (soql, wanted) in [
        ("SELECT COUNT() FROM Account", "API_ERROR"),
        ("SELECT Name, COUNT(Id) FROM Account GROUP BY Name", "API_ERROR"),
        ("SELECT Id, (SELECT Id FROM Contacts) FROM Account", "API_ERROR"),
        ("SELECT Id FROM Account LIMIT 5 OFFSET 5", "API_ERROR"),
        ("SELECT BillingAddress FROM Account", "API_ERROR"),
        ("SELECT Nonsense FROM Account", "INVALID_FIELD"),
        ("SELECT Id FROM Nothing", "INVALID_TYPE"),
        ("SELECT", "MALFORMED_QUERY"),
    ] {
        let (status, answer) = org.bulk_query(soql).await;
        assert_eq!((status.as_u16(), code(&answer)), (400, wanted), "{soql}: {answer}");
    }
    let nested = org.bulk_query("SELECT Id, (SELECT Id FROM Contacts) FROM Account").await.1;
    let message = "Aggregate Relationships not supported in Bulk V2 Query with CSV content type";
    assert_eq!(nested[0]["message"], message);
}

#[tokio::test]
async fn deleted_records_come_with_query_all_and_faults_reach_jobs_too() {
    let org = Org::start().await;
    let id = org.create("Account", json!({"Name": "a"})).await;
    org.send(Method::DELETE, &format!("/sobjects/Account/{id}"), Value::Null).await;
    let body = json!({"operation": "queryAll", "query": "SELECT Id FROM Account"});
    let opened = org.send(Method::POST, "/jobs/query", body).await.1;
    let (done, _) = org.ended("query", text(&opened["id"])).await;
    assert_eq!(done["numberRecordsProcessed"], 1);

    org.fault("row_lock", 1.0).await;
    let (_, [_, failed, _]) = org.ingest(job("insert"), "Name\nb\n").await;
    assert!(failed[1][1].starts_with("UNABLE_TO_LOCK_ROW:"), "{}", failed[1][1]);
    org.fault("row_lock", 0.0).await;
    org.fault("timeout_after_commit", 1.0).await;
    assert!(org.request(Method::POST, "/jobs/ingest").json(&job("insert")).send().await.is_err());
    org.fault("timeout_after_commit", 0.0).await;
    assert_eq!(org.get("/jobs/ingest").await.1["records"].as_array().map(Vec::len), Some(2));
    org.fault("session_expired", 1.0).await;
    assert_eq!(org.get("/jobs/query").await.0, 401);
}

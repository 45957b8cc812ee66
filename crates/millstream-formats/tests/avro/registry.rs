use std::time::{Duration, Instant};

use millstream::serde::{Serde, SerdeError};
use millstream_formats::avro::apache_avro::types::Value;
use millstream_formats::avro::{Avro, AvroRecord, AvroRecords, AvroSchema};
use millstream_formats::registry::{
    Credentials, Reference, Registry, RegistryError, RegistrySettings, Schema, SchemaId, SchemaType,
};

use crate::{FakeRegistry, registry, schema};

fn long() -> Schema {
    Schema::new(SchemaType::Avro, "\"long\"")
}

#[test]
fn a_schema_is_asked_for_once() {
    let (fake, client) = registry();
    let id = client.id_of("a-value", &long()).unwrap();
    let asked = fake.asked();
    for _ in 0..3 {
        assert_eq!(client.id_of("a-value", &long()), Ok(id));
    }
    assert_eq!(fake.asked(), asked);
    for _ in 0..3 {
        assert_eq!(client.schema(id).unwrap().schema, long());
    }
    assert_eq!(fake.asked(), asked + 1);
    assert_eq!(client.look_up("a-value", &long()), Ok(id));
    assert_eq!(client.latest("a-value").unwrap().id, id);
}

#[test]
fn an_unknown_id_is_an_error_of_the_record_and_not_asked_for_each_time() {
    let (fake, client) = registry();
    let serde = Avro::value(&client, "a", schema("\"long\""));
    let read = || Serde::<i64>::decode(&serde, &[0, 0, 0, 0, 77, 2]);
    let error = read().unwrap_err();
    assert!(error.to_string().contains("no schema with the id 77") && !error.is_transient(), "{error}");
    let asked = fake.asked();
    for _ in 0..100 {
        read().unwrap_err();
    }
    assert_eq!(fake.asked(), asked);
}

#[test]
fn what_is_away_is_transient_and_what_is_refused_is_not() {
    let (fake, client) = registry();
    let serde = Avro::value(&client, "a", schema("\"long\""));
    let mut out = vec![9];
    fake.go_away_for(1);
    let error: SerdeError = serde.encode(&1_i64, &mut out).unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("503: leader is not known"), "{error}");
    assert_eq!(out, [9]);
    serde.encode(&1_i64, &mut out).unwrap();
    assert_eq!(out, [9, 0, 0, 0, 0, 1, 2]);
    fake.refuse("reader is missing a default");
    let other = Avro::value(&client, "b", schema("\"string\""));
    let error = other.encode(&"x".to_owned(), &mut out).unwrap_err();
    assert!(!error.is_transient() && error.to_string().contains("b-value"), "{error}");
    assert!(error.to_string().contains("reader is missing a default"), "{error}");
    assert_eq!(out.len(), 7);
}

#[test]
fn nobody_there_is_transient_within_the_timeout() {
    // Nothing listens at a port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let client = Registry::new(&RegistrySettings::new(&format!("http://127.0.0.1:{port}"))).unwrap();
    let error = client.schema(SchemaId(1)).unwrap_err();
    assert!(matches!(error, RegistryError::Away(_)) && error.is_transient(), "{error}");
    // One that takes the connection, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let settings = RegistrySettings { timeout: Duration::from_millis(300), ..RegistrySettings::new(&url) };
    let start = Instant::now();
    let error = Registry::new(&settings).unwrap().schema(SchemaId(1)).unwrap_err();
    assert!(matches!(error, RegistryError::Away(_)), "{error}");
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn the_next_url_is_asked_where_one_does_not_answer() {
    let fake = FakeRegistry::start(None);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let client = Registry::new(&RegistrySettings::new(&format!("http://127.0.0.1:{port}, {}/", fake.url))).unwrap();
    assert_eq!(client.id_of("a-value", &long()), Ok(SchemaId(1)));
}

#[test]
fn it_is_waited_for_a_registry_that_is_not_up() {
    let (fake, client) = registry();
    fake.go_away_for(3);
    client.wait_until_up(Duration::from_secs(60)).unwrap();
    fake.go_away_for(1_000_000);
    let error = client.wait_until_up(Duration::from_millis(250)).unwrap_err();
    assert!(matches!(error, RegistryError::Away(_)), "{error}");
}

#[test]
fn with_auto_register_off_a_schema_must_be_there() {
    let (fake, client) = registry();
    let settings = RegistrySettings { auto_register: false, ..fake.settings() };
    let careful = Registry::new(&settings).unwrap();
    let serde = Avro::value(&careful, "a", schema("\"long\""));
    let checked = Serde::<i64>::check_writable(&serde).unwrap_err();
    assert!(checked.to_string().contains("registering it is off"), "{checked}");
    assert!(!checked.is_transient());
    let id = client.register("a-value", &long()).unwrap();
    Serde::<i64>::check_writable(&serde).unwrap();
    assert_eq!(careful.id_of("a-value", &long()), Ok(id));
}

#[test]
fn a_schema_that_is_not_compatible_is_found_before_it_is_written() {
    let (fake, client) = registry();
    let serde = Avro::value(&client, "a", schema("\"long\""));
    fake.refuse("no way");
    // A subject without a schema takes any.
    Serde::<i64>::check_writable(&serde).unwrap();
    let (fake, client) = registry();
    client.register("a-value", &Schema::new(SchemaType::Avro, "\"string\"")).unwrap();
    fake.refuse("long is no string");
    let serde = Avro::value(&client, "a", schema("\"long\""));
    let error = Serde::<i64>::check_writable(&serde).unwrap_err().to_string();
    assert!(error.contains("subject a-value") && error.contains("long is no string"), "{error}");
}

#[test]
fn who_asks_is_shown_and_never_printed() {
    for (wanted, credentials) in [
        ("Basic dXNlcjpzM2NyZXQ=", Credentials::Basic { user: "user".into(), password: "s3cret".into() }),
        ("Bearer s3cret", Credentials::Bearer("s3cret".into())),
    ] {
        let fake = FakeRegistry::start(Some(wanted));
        let nobody = Registry::new(&fake.settings()).unwrap();
        let error = nobody.id_of("a-value", &long()).unwrap_err();
        assert!(matches!(&error, RegistryError::Denied(why) if why.contains("401: who are you?")), "{error}");
        assert!(error.is_transient(), "no record is to blame");
        let settings = RegistrySettings { credentials, ..fake.settings() };
        assert!(!format!("{settings:?}").contains("s3cret"), "{settings:?}");
        let client = Registry::new(&settings).unwrap();
        assert_eq!(client.id_of("a-value", &long()), Ok(SchemaId(1)));
        assert!(!format!("{client:?}").contains("s3cret"), "{client:?}");
    }
}

#[test]
fn references_are_fetched_each_behind_what_it_refers_to() {
    let (_, client) = registry();
    let city = r#"{"type":"record","name":"geo.City","fields":[{"name":"name","type":"string"}]}"#;
    client.register("city", &Schema::new(SchemaType::Avro, city)).unwrap();
    let to = |name: &str, subject: &str| Reference { name: name.into(), subject: subject.into(), version: 1 };
    let airport = r#"{"type":"record","name":"geo.Airport","fields":[{"name":"city","type":"geo.City"}]}"#;
    let airport = Schema { references: vec![to("geo.City", "city")], ..Schema::new(SchemaType::Avro, airport) };
    client.register("airport", &airport).unwrap();
    let flight = r#"{"type":"record","name":"Flight","fields":[
        {"name":"from","type":"geo.Airport"},{"name":"to","type":"geo.Airport"}]}"#;
    let flight = AvroSchema::parse_with(flight, vec![to("geo.Airport", "airport")], &client).unwrap();
    let id = client.register("flight", flight.registered()).unwrap();
    let fetched = client.schema(id).unwrap();
    let names: Vec<&str> = fetched.referenced.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["geo.City", "geo.Airport"]);
    assert_eq!(AvroSchema::fetched(&fetched).unwrap(), flight);
    let city = |name: &str| Value::Record(vec![("name".into(), Value::String(name.into()))]);
    let airport = |name: &str| Value::Record(vec![("city".into(), city(name))]);
    let value = Value::Record(vec![("from".into(), airport("Oslo")), ("to".into(), airport("Rome"))]);
    let record = AvroRecord::new(flight, value).unwrap();
    let serde = AvroRecords::value(&client, "flights");
    let mut out = Vec::new();
    serde.encode(&record, &mut out).unwrap();
    assert_eq!(serde.decode(&out), Ok(record));
}

#[test]
fn schemas_that_refer_to_one_another_for_ever_end_in_an_error() {
    let (_, client) = registry();
    let refer = |name: &str, to: &str| Schema {
        references: vec![Reference { name: to.into(), subject: to.into(), version: 1 }],
        ..Schema::new(SchemaType::Avro, format!("\"{name}\""))
    };
    client.register("a", &refer("a", "b")).unwrap();
    client.register("b", &refer("b", "a")).unwrap();
    let id = client.register("c", &refer("c", "a")).unwrap();
    let error = client.schema(id).unwrap_err();
    assert!(matches!(&error, RegistryError::Refused(why) if why.contains("more than 32 deep")), "{error}");
}

#[test]
fn a_url_that_is_none_and_an_answer_that_is_no_registrys_are_told() {
    for url in ["localhost:8081", "http://", "ftp://x"] {
        let error = Registry::new(&RegistrySettings::new(url)).unwrap_err().to_string();
        assert!(error.contains("http://HOST"), "{error}");
    }
    let settings =
        RegistrySettings { authorities: Some(b"no PEM".to_vec()), ..RegistrySettings::new("https://localhost:1") };
    assert!(Registry::new(&settings).unwrap_err().to_string().contains("found no certificate"));
}

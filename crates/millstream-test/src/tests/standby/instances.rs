use super::*;

#[test]
fn instances_know_each_other_until_they_leave() {
    let mut together = Together::new(|options| options.rack = Some("r".into()));
    together.start_with("a", |options| options.address = Some("http://a:1".into()));
    together.start("b");
    together.until(|t| t.active("b") == [2, 3]);
    together.pass(100);
    let known = together.processes["b"].instance.instances();
    let ids = |known: &millstream::worker::KnownInstances| {
        known.get().iter().map(|known| (known.instance_id.to_string(), known.is_alive)).collect::<Vec<_>>()
    };
    assert_eq!(ids(&known), [("a".to_owned(), true), ("b".to_owned(), true)]);
    let a = known.get()[0].announcement.clone();
    assert_eq!((a.address.as_deref(), a.rack.as_deref(), a.order.as_str()), (Some("http://a:1"), Some("r"), "a-"));
    assert_eq!((a.workers, a.transactional_ids.as_slice()), (1, &["app-a-0".to_owned()][..]));
    together.stop("a");
    together.pass(100);
    assert_eq!(ids(&known), [("b".to_owned(), true)]);
    assert_eq!(together.announced()["a"], None, "it took its words back");
}

#[test]
fn who_is_silent_is_taken_for_gone() {
    let mut together = Together::new(|_| ());
    together.start("a");
    together.start("b");
    together.until(|t| t.active("b") == [2, 3]);
    together.pass(100);
    together.kill("a");
    let known = together.processes["b"].instance.instances();
    together.pass(8_000);
    assert!(known.get()[0].is_alive);
    together.pass(4_000);
    assert!(!known.get()[0].is_alive && known.get()[1].is_alive);
    together.round_ms = 1_000;
    together.pass(2 * 60 * 60 * 1000);
    assert_eq!(known.get().len(), 1);
    assert_eq!(together.announced()["a"], None, "the topic need not keep it");
}

#[test]
fn garbage_on_the_control_topic_changes_nothing() {
    let mut together = Together::new(|_| ());
    together.start("a");
    together.start("b");
    together.until(|t| t.active("a") == [0, 1] && t.active("b") == [2, 3]);
    let good = together.announced()["a"].clone().unwrap();
    for (key, value) in [
        (&b"x"[..], &b"{"[..]),
        (b"x", b"\xff\xfe"),
        (&[0xff, 0], b"{}"),
        (b"", b""),
        (b"new", br#"{"version":2,"anything":[1,2]}"#),
        (b"0", br#"{"version":1,"order":"0","phase":"leaving","workers":0,"active":[{"task":"7_1"},{"task":"0_99"}]}"#),
        (b"a", good.replace("0_0", "0_12345").as_bytes()),
        (b"a", good.replace("running", "dancing").as_bytes()),
        (b"huge", &vec![b'['; 900_000]),
        (b"deep", &vec![b'['; 200_000]),
    ] {
        together.announce(key, Some(value));
        together.announce(b"nobody", None);
        together.pass(100);
    }
    together.pipe(400);
    together.until(|t| t.standby("a") == [2, 3] && t.standby("b") == [0, 1]);
    together.assert_counted(400, 1);
}

#[test]
fn without_a_control_topic_all_goes_on() {
    let cluster = MemoryBroker::new();
    let broker = cluster.client(ClientSettings::new("app"));
    for name in ["input", "output", "app-counts-changelog"] {
        let cleanup_policy = if name.starts_with("app") { CleanupPolicy::Compact } else { CleanupPolicy::Delete };
        let (partitions, replication_factor, config) = (1, None, BTreeMap::new());
        broker
            .create(&[NewTopic { name: name.into(), partitions, replication_factor, cleanup_policy, config }])
            .unwrap();
    }
    let options = Options { commit_interval_ms: 1, standby_replicas: 1, ..Options::new("app", "a") };
    let application = Application::new(options, Arc::new(counts)).unwrap();
    let (mut instance, mut seeds) = Instance::start(application, broker.clone(), vec![Arc::new(|| ())]).unwrap();
    let mut worker = Worker::from(seeds.remove(0));
    let mut writer = RecordWriter::new(&*broker).unwrap();
    writer.send(&input(), &Record::new("k".to_string(), Some(1), 0)).unwrap();
    writer.flush().unwrap();
    for now in 0..1_000 {
        instance.step(Duration::ZERO);
        worker.step(100 * now);
        assert_eq!(instance.failure(), None);
    }
    assert!(instance.is_drained(&*broker).unwrap());
}

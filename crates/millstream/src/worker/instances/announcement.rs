use serde::{Deserialize, Serialize};

use crate::task::TaskId;

/// The version of the form in which instances tell of themselves.
const VERSION: u32 = 1;

/// A longer announcement is neither written nor read.
pub(super) const BYTES_MAX: usize = 512 * 1024;

/// What an instance tells of itself on the control topic, under its instance id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    pub(super) version: u32,
    /// `http://host:port` where others reach it, if they can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Where it runs: instances of one rack fail together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rack: Option<String>,
    /// Its place among the members of the group, which are sorted by this.
    pub order: String,
    /// What it is doing.
    pub phase: AnnouncedPhase,
    /// The transactional id of each of its workers; none without transactions.
    #[serde(default)]
    pub transactional_ids: Vec<String>,
    /// How many workers it has.
    pub workers: usize,
    /// The tasks that it was given by the group.
    #[serde(default)]
    pub active: Vec<AnnouncedTask>,
    /// The tasks of others that it keeps copies of.
    #[serde(default)]
    pub standby: Vec<AnnouncedTask>,
    /// How much memory it uses, in bytes, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
}

/// What an instance that tells of itself is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnnouncedPhase {
    /// It restores what it will be given, and has not joined the group yet.
    Warming,
    /// It is a member of the group.
    Running,
    /// It is about to leave.
    Leaving,
}

/// A task at an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnnouncedTask {
    /// The task.
    #[serde(with = "task_as_text")]
    pub task: TaskId,
    /// For each changelog of its stores the offset up to which they hold it; -1 where the task itself writes it.
    #[serde(default)]
    pub positions: Vec<i64>,
    /// About how many records of its changelogs are missing.
    #[serde(default)]
    pub lag: u64,
}

impl Announcement {
    /// One that tells of nothing yet.
    pub(super) fn new(order: String, phase: AnnouncedPhase) -> Self {
        Announcement {
            version: VERSION,
            address: None,
            rack: None,
            order,
            phase,
            transactional_ids: Vec::new(),
            workers: 0,
            active: Vec::new(),
            standby: Vec::new(),
            memory_bytes: None,
        }
    }

    /// Its bytes. So many tasks that these are too long are told of without positions, or not at all.
    pub(super) fn encode(&self) -> Vec<u8> {
        let encode = |announcement: &Announcement| serde_json::to_vec(announcement).unwrap_or_default();
        let bytes = encode(self);
        if bytes.len() <= BYTES_MAX {
            return bytes;
        }
        let without = |tasks: &[AnnouncedTask]| {
            tasks.iter().map(|task| AnnouncedTask { positions: Vec::new(), ..*task }).collect::<Vec<_>>()
        };
        let bytes =
            encode(&Announcement { active: without(&self.active), standby: without(&self.standby), ..self.clone() });
        if bytes.len() <= BYTES_MAX {
            return bytes;
        }
        encode(&Announcement { active: Vec::new(), standby: Vec::new(), ..self.clone() })
    }

    /// Reads what another instance wrote, maybe one of another version of the program.
    pub(super) fn decode(bytes: &[u8]) -> Result<Announcement, String> {
        if bytes.len() > BYTES_MAX {
            return Err(format!("it has {} bytes", bytes.len()));
        }
        // First the version alone: what comes after it may be anything.
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let Versioned { version } = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if version != VERSION {
            return Err(format!("its version is {version}, and {VERSION} is known here"));
        }
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }

    /// Whether it differs in more than in how far copies have come.
    pub(super) fn is_news_after(&self, other: &Announcement) -> bool {
        let tasks = |tasks: &[AnnouncedTask]| tasks.iter().map(|task| task.task).collect::<Vec<_>>();
        self.phase != other.phase
            || tasks(&self.active) != tasks(&other.active)
            || tasks(&self.standby) != tasks(&other.standby)
    }
}

mod task_as_text {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::task::TaskId;

    pub(super) fn serialize<S: Serializer>(task: &TaskId, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(task)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TaskId, D::Error> {
        let text = String::deserialize(deserializer)?;
        let task = text.split_once('_').and_then(|(sub_topology, partition)| {
            Some(TaskId { sub_topology: sub_topology.parse().ok()?, partition: partition.parse().ok()? })
        });
        task.filter(|task| task.partition >= 0).ok_or_else(|| D::Error::custom(format!("{text} is not a task")))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn task(sub_topology: usize, partition: i32, positions: Vec<i64>) -> AnnouncedTask {
        AnnouncedTask { task: TaskId { sub_topology, partition }, positions, lag: 3 }
    }

    fn announcement() -> Announcement {
        Announcement {
            address: Some("http://10.0.0.1:8080".into()),
            rack: Some("a".into()),
            workers: 2,
            transactional_ids: vec!["app-one-0".into(), "app-one-1".into()],
            active: vec![task(0, 3, vec![7, -1])],
            standby: vec![task(1, 12, vec![5])],
            memory_bytes: Some(9),
            ..Announcement::new("one-".into(), AnnouncedPhase::Running)
        }
    }

    #[test]
    fn comes_back_as_it_was() {
        let text = String::from_utf8(announcement().encode()).unwrap();
        assert!(text.contains("\"phase\":\"running\"") && text.contains("\"task\":\"1_12\""), "{text}");
        assert_eq!(Announcement::decode(text.as_bytes()).unwrap(), announcement());
    }

    #[test]
    fn fields_that_are_not_known_are_left_out_and_those_that_may_lack_are_empty() {
        let text = r#"{"version":1,"order":"a-","phase":"warming","workers":1,"colour":"red"}"#;
        let read = Announcement::decode(text.as_bytes()).unwrap();
        assert_eq!(read, Announcement { workers: 1, ..Announcement::new("a-".into(), AnnouncedPhase::Warming) });
    }

    #[test]
    fn what_cannot_be_read_is_an_error_with_its_reason() {
        let newer = Announcement::decode(br#"{"version":2,"order":7}"#).unwrap_err();
        assert_eq!(newer, "its version is 2, and 1 is known here");
        for garbage in ["", "{", "[]", "null", "7", r#"{"version":1}"#, r#"{"version":"one"}"#] {
            assert!(Announcement::decode(garbage.as_bytes()).is_err(), "{garbage}");
        }
        let text = String::from_utf8(announcement().encode()).unwrap();
        for task in ["0_-1", "0", "_", "a_1", "99999999999999999999999_1"] {
            assert!(Announcement::decode(text.replace("0_3", task).as_bytes()).is_err(), "{task}");
        }
        assert!(Announcement::decode(&vec![b' '; BYTES_MAX + 1]).unwrap_err().contains("bytes"));
    }

    #[test]
    fn is_never_too_long() {
        let many = |count: i32, positions: usize| Announcement {
            active: (0..count).map(|partition| task(0, partition, vec![i64::MAX; positions])).collect(),
            ..announcement()
        };
        let (short, long, longest) = (many(10, 3), many(5_000, 20), many(100_000, 0));
        assert_eq!(Announcement::decode(&short.encode()).unwrap(), short);
        let read = Announcement::decode(&long.encode()).unwrap();
        assert_eq!((read.active.len(), read.active[0].positions.len()), (5_000, 0));
        assert_eq!(Announcement::decode(&longest.encode()).unwrap().active.len(), 0);
    }

    #[test]
    fn how_far_a_copy_has_come_is_no_news() {
        let mut later = announcement();
        later.standby[0].lag = 0;
        later.active[0].positions = vec![8, -1];
        assert!(!later.is_news_after(&announcement()));
        later.standby.clear();
        assert!(later.is_news_after(&announcement()));
        assert!(Announcement { phase: AnnouncedPhase::Leaving, ..announcement() }.is_news_after(&announcement()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Announcement::decode(&bytes);
        }

        #[test]
        fn any_change_of_a_byte_is_read_or_refused(at in any::<prop::sample::Index>(), byte: u8) {
            let mut bytes = announcement().encode();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = Announcement::decode(&bytes);
        }
    }
}

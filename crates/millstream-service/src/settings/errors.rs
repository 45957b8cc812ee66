use millstream::worker::{ErrorPolicies, ErrorPolicy, RecordRetry};
use serde::{Deserialize, Serialize};

/// What becomes of records that fail.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ErrorSettings {
    #[serde(with = "ErrorPolicyWords")]
    read: ErrorPolicy,
    #[serde(with = "ErrorPolicyWords")]
    process: ErrorPolicy,
    #[serde(with = "ErrorPolicyWords")]
    write: ErrorPolicy,
    retry: RetrySettings,
    dead_letter_topic: Option<String>,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RetrySettings {
    attempts: u32,
    backoff_ms: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "ErrorPolicy", rename_all = "snake_case")]
enum ErrorPolicyWords {
    Fail,
    Skip,
    DeadLetter,
}

impl From<ErrorPolicies> for ErrorSettings {
    fn from(policies: ErrorPolicies) -> Self {
        let ErrorPolicies { read, process, write, retry: RecordRetry { attempts, backoff_ms }, dead_letter_topic } =
            policies;
        ErrorSettings { read, process, write, retry: RetrySettings { attempts, backoff_ms }, dead_letter_topic }
    }
}

impl From<ErrorSettings> for ErrorPolicies {
    fn from(settings: ErrorSettings) -> Self {
        let ErrorSettings { read, process, write, retry: RetrySettings { attempts, backoff_ms }, dead_letter_topic } =
            settings;
        ErrorPolicies { read, process, write, retry: RecordRetry { attempts, backoff_ms }, dead_letter_topic }
    }
}

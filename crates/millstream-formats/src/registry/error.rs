use millstream::serde::SerdeError;

use super::SchemaId;

/// Why a schema registry gave no answer, or not the one that was hoped for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// It does not answer, or says that it cannot now: another time it may.
    #[error("{0}")]
    Away(String),
    /// It does not let us: no record is to blame, and somebody may put it right.
    #[error("{0}")]
    Denied(String),
    /// It has no schema of that number.
    #[error(
        "the schema registry has no schema with the id {0}; it is not the one that the record was written with, or the \
             record was not written with a registry"
    )]
    UnknownId(SchemaId),
    /// It has no such subject, version, or no such schema under the subject.
    #[error("{0}")]
    NotFound(String),
    /// The schema is not valid, or not compatible with those that the subject has.
    #[error("{0}")]
    Refused(String),
    /// The answer is not one of such a registry, or the settings are not right.
    #[error("{0}")]
    Unusable(String),
}

impl RegistryError {
    /// The same, with the subject that it is of.
    pub(super) fn of(self, subject: &str) -> Self {
        let told = |message: String| format!("subject {subject}: {message}");
        match self {
            RegistryError::Away(message) => RegistryError::Away(told(message)),
            RegistryError::Denied(message) => RegistryError::Denied(told(message)),
            RegistryError::NotFound(message) => RegistryError::NotFound(told(message)),
            RegistryError::Refused(message) => RegistryError::Refused(told(message)),
            RegistryError::Unusable(message) => RegistryError::Unusable(told(message)),
            RegistryError::UnknownId(id) => RegistryError::UnknownId(id),
        }
    }

    /// Whether the same question may be answered later, though nothing is changed here.
    pub fn is_transient(&self) -> bool {
        matches!(self, RegistryError::Away(_) | RegistryError::Denied(_) | RegistryError::Unusable(_))
    }
}

/// What no record is to blame for is transient; the rest are errors of the record.
impl From<RegistryError> for SerdeError {
    fn from(error: RegistryError) -> Self {
        let message = error.to_string();
        if error.is_transient() { SerdeError::transient(message) } else { SerdeError::new(message) }
    }
}

use std::fmt;
use std::time::Duration;

/// How to reach a schema registry.
#[derive(Clone, Debug)]
pub struct RegistrySettings {
    /// Where it is: `http://localhost:8081`, `https://registry/apis/ccompat/v7`. Of several the next one is asked where one
    /// does not answer.
    pub urls: Vec<String>,
    /// Who asks.
    pub credentials: Credentials,
    /// Certificates in PEM that an `https` server's is to be signed by, instead of the system's authorities.
    pub authorities: Option<Vec<u8>>,
    /// Whether a schema that a subject does not have is registered when it is written first. If not, it is an error.
    pub auto_register: bool,
    /// How long one request may take, in all.
    pub timeout: Duration,
}

impl RegistrySettings {
    /// A registry at that URL, several separated by commas: no credentials, the system's authorities, schemas registered as
    /// needed, 5 s for a request.
    pub fn new(urls: &str) -> Self {
        RegistrySettings {
            urls: urls.split(',').map(|url| url.trim().trim_end_matches('/').to_owned()).collect(),
            credentials: Credentials::None,
            authorities: None,
            auto_register: true,
            timeout: Duration::from_secs(5),
        }
    }
}

/// Who asks a registry. Passwords and tokens are not shown.
#[derive(Clone, Default)]
pub enum Credentials {
    /// Nobody in particular.
    #[default]
    None,
    /// A user with a password.
    Basic {
        /// The user's name.
        user: String,
        /// The password.
        password: String,
    },
    /// The bearer of a token.
    Bearer(String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Credentials::None => f.write_str("None"),
            Credentials::Basic { user, .. } => write!(f, "Basic({user})"),
            Credentials::Bearer(_) => f.write_str("Bearer"),
        }
    }
}

//! A node with one more listener, which lets in only who shows credentials, over TLS.

use std::fs;
use std::io;
use std::path::Path;

/// The listener SASL_SSL of a node: with PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 and OAUTHBEARER (unsecured tokens), and an
/// authorizer; after 5 s, a connection's credentials are asked for again. Who comes by the plain listener may do everything; users only what ACLs give them.
#[derive(Clone, Debug)]
pub struct Secured {
    /// The node's private key (PKCS #8) and its certificate, as PEM. The listener's name is `localhost`.
    pub key_and_certificate: String,
    /// Names and passwords, for PLAIN and SCRAM alike. They hold letters, digits and `-` alone.
    pub users: Vec<(String, String)>,
}

/// The file with key and certificate, in the node's folder.
const KEYSTORE: &str = "keystore.pem";

/// Enough for a node that shares the machine with others.
pub(crate) const HEAP: &str = "-Xmx512m";

impl Secured {
    /// Writes what the node reads beside its properties.
    pub(crate) fn write_files(&self, folder: &Path) -> io::Result<()> {
        fs::write(folder.join(KEYSTORE), &self.key_and_certificate)
    }

    /// The listener's part of `server.properties`. Properties that come later replace earlier ones.
    pub(crate) fn properties(&self, plain_port: u16, controller_port: u16, port: u16, folder: &Path) -> String {
        let users: String = self.users.iter().map(|(name, password)| format!(" user_{name}=\"{password}\"")).collect();
        let module = "org.apache.kafka.common.security";
        format!(
            "listeners=BROKER://127.0.0.1:{plain_port},CONTROLLER://127.0.0.1:{controller_port},SECURED://127.0.0.1:{port}\n\
             advertised.listeners=BROKER://127.0.0.1:{plain_port},SECURED://localhost:{port}\n\
             listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURED:SASL_SSL\n\
             connections.max.reauth.ms=5000\n\
             listener.name.secured.ssl.keystore.type=PEM\n\
             listener.name.secured.ssl.keystore.location={}\n\
             listener.name.secured.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER\n\
             listener.name.secured.plain.sasl.jaas.config={module}.plain.PlainLoginModule required{users};\n\
             listener.name.secured.scram-sha-256.sasl.jaas.config={module}.scram.ScramLoginModule required;\n\
             listener.name.secured.scram-sha-512.sasl.jaas.config={module}.scram.ScramLoginModule required;\n\
             listener.name.secured.oauthbearer.sasl.jaas.config={module}.oauthbearer.OAuthBearerLoginModule required \
             unsecuredLoginStringClaim_sub=\"node\";\n\
             authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
             super.users=User:ANONYMOUS\n",
            folder.join(KEYSTORE).display()
        )
    }

    /// Arguments of the storage tool that make the users known to SCRAM.
    pub(crate) fn format_arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        for (name, password) in &self.users {
            for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
                arguments.push("--add-scram".to_owned());
                arguments.push(format!("{mechanism}=[name={name},password={password}]"));
            }
        }
        arguments
    }
}

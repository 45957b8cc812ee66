use std::net::TcpStream;
use std::sync::Arc;

use millstream_formats::registry::{Registry, RegistryError, RegistrySettings, Schema, SchemaId, SchemaType};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::FakeRegistry;

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A registry whose certificate for `localhost` that authority has signed.
fn signed_by(authority: &CertifiedIssuer<'static, KeyPair>) -> FakeRegistry {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, authority).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
    let config = Arc::new(config);
    FakeRegistry::start_on("https", None, move |stream: TcpStream| {
        StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream)
    })
}

#[test]
fn an_authority_of_ones_own_is_trusted_and_no_other() {
    let (own, other) = (authority(), authority());
    let fake = signed_by(&own);
    let asked = |authorities: Option<String>| {
        let settings = RegistrySettings { authorities: authorities.map(String::into_bytes), ..fake.settings() };
        Registry::new(&settings)?.id_of("a-value", &Schema::new(SchemaType::Avro, "\"long\""))
    };
    assert_eq!(asked(Some(own.pem())), Ok(SchemaId(1)));
    let error = asked(Some(other.pem())).unwrap_err();
    assert!(matches!(&error, RegistryError::Away(why) if why.contains("certificate")), "{error}");
}

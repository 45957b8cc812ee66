//! Ends the transactions that producers of others left open.

use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream::broker::{BrokerError, ErrorKind};

use crate::metadata::MetadataClient;
use crate::producer::{connect, native};
use crate::settings::KafkaSettings;

/// How long the first client gets. Each next one gets twice as long: brokers may be far away.
const FIRST_PATIENCE: Duration = Duration::from_millis(200);

/// How long the broker may take altogether.
const LIMIT: Duration = Duration::from_secs(10);

/// Begins to fence the producer of that transactional id, and to end its transaction; whoever asks for positions in it waits
/// for that.
pub(crate) fn begin(settings: Arc<KafkaSettings>, id: String, metadata: Arc<MetadataClient>) {
    let spawned = std::thread::Builder::new().name("fence".to_owned()).spawn({
        let id = id.clone();
        move || match fence(&settings, &id, &metadata) {
            Ok(()) => tracing::debug!(id, "its transaction is ended"),
            Err(error) => tracing::warn!(id, %error, "its transaction is not ended; its timeout ends it"),
        }
    });
    if let Err(error) = spawned {
        tracing::warn!(id, %error, "its transaction is not ended; its timeout ends it");
    }
}

/// To the first request a broker answers that it is just ending the transaction, which takes it some ms. librdkafka asks again
/// after half a second; a new client, which asks at once, is let in by then.
fn fence(settings: &KafkaSettings, id: &str, metadata: &MetadataClient) -> Result<(), BrokerError> {
    let (started, mut patience) = (Instant::now(), FIRST_PATIENCE);
    loop {
        let client = native(settings, Some(id), metadata)?;
        connect(&client);
        let Err(failure) = client.init_transactions(patience) else { return Ok(()) };
        let is_final = !failure.retriable || failure.fatal;
        if is_final || started.elapsed() >= LIMIT || metadata.presence().away().is_some() {
            let message = format!("ending the transaction of producer {id}: {}: {}", failure.code, failure.text);
            return Err(BrokerError::new(if is_final { ErrorKind::Fatal } else { ErrorKind::Retry }, message));
        }
        patience *= 2;
    }
}

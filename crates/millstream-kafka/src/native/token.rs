use std::ffi::{CStr, CString, c_char};
use std::ptr;

use rdkafka::client::{Client, ClientContext, OAuthToken};
use rdkafka_sys::bindings as sys;

/// Gives a client its token for SASL OAUTHBEARER.
pub(crate) fn set_token<C: ClientContext>(client: &Client<C>, token: &OAuthToken) -> Result<(), String> {
    let text = |text: &str| CString::new(text).map_err(|_| "a zero byte in it".to_owned());
    let (value, principal) = (text(&token.token)?, text(&token.principal_name)?);
    let mut reason: [c_char; 512] = [0; 512];
    // SAFETY: the client lives; token and principal are C strings, which librdkafka copies; there are no extensions; the
    // reason is written within its length, with a zero at its end.
    let (code, reason) = unsafe {
        let code = sys::rd_kafka_oauthbearer_set_token(
            client.native_ptr(),
            value.as_ptr(),
            token.lifetime_ms,
            principal.as_ptr(),
            ptr::null_mut(),
            0,
            reason.as_mut_ptr(),
            reason.len(),
        );
        (code, CStr::from_ptr(reason.as_ptr()))
    };
    match code {
        sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
        _ => Err(reason.to_string_lossy().into_owned()),
    }
}

//! Messages on the wire whose types are known only when they are called.

use prost::Message as _;
use prost_reflect::{DynamicMessage, MessageDescriptor};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// Sends any message and takes those of one type, each with its size in bytes.
pub(super) struct DynamicCodec(MessageDescriptor);

impl DynamicCodec {
    pub(super) fn new(output: MessageDescriptor) -> Self {
        Self(output)
    }
}

pub(super) struct DynamicEncoder;
pub(super) struct DynamicDecoder(MessageDescriptor);

impl Codec for DynamicCodec {
    type Encode = DynamicMessage;
    type Decode = (DynamicMessage, usize);
    type Encoder = DynamicEncoder;
    type Decoder = DynamicDecoder;

    fn encoder(&mut self) -> Self::Encoder {
        DynamicEncoder
    }

    fn decoder(&mut self) -> Self::Decoder {
        DynamicDecoder(self.0.clone())
    }
}

impl Encoder for DynamicEncoder {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, message: Self::Item, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        message.encode(buffer).map_err(|error| Status::internal(format!("a message cannot be written: {error}")))
    }
}

impl Decoder for DynamicDecoder {
    type Item = (DynamicMessage, usize);
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Self::Item>, Status> {
        let size = bytes::Buf::remaining(buffer);
        DynamicMessage::decode(self.0.clone(), buffer)
            .map(|message| Some((message, size)))
            .map_err(|error| Status::internal(format!("the answer is no message of its type: {error}")))
    }
}

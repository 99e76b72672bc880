"""What runs in the limited worker processes: decoding, transcoding, rendering. Plain pydicom."""

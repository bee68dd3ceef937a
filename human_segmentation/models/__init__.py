"""Networks: no preprocessing, no data, no OpenCV."""

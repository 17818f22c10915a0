"""Files of every kind through reader and writer; what differs afterwards has to be explained."""

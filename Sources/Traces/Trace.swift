internal import CHDF5

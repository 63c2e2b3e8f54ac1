"""The colours of heat maps, as data: four ramps of 33 colours, and 9 of the 256 of a terminal each.

Sequential ramps are for numbers from 0 up: their OKLab lightness is linear. Diverging ramps are for
numbers of both signs, 0 in the middle: blue is negative, orange-brown positive. Each is for a light
or a dark ground. Neighbours stay apart in normal sight, and as protan, deutan and tritan see them
(Machado, Oliveira and Fernandes, 2009).
"""

from __future__ import annotations

SEQUENTIAL_LIGHT = (
    "#f8f7f1 #f1f0e5 #e8eada #dee4cf #d3dec6 #c7d9be #b9d4b8 #abcfb3 #9bcaaf #8bc4ae #7abfad "
    "#68b9ae #56b3b0 #44acb2 #31a4b5 #1f9cb7 #0e94ba #0e8cb5 #0f84af #117caa #1374a4 #156c9e "
    "#176598 #185d92 #1a568c #1b4e85 #1c477f #1c3f78 #1c3871 #1c316a #1b2a63 #1b235c #191c54"
)
SEQUENTIAL_DARK = (
    "#1b1e24 #1f232c #222834 #242e3d #273345 #29394e #2b3f57 #2d4560 #2e4b69 #2f5272 #30587b "
    "#305f84 #2f668d #2e6d96 #2b749f #287ba7 #2382b0 #1a8cb1 #1595b1 #1a9eb0 #26a6ae #35aeab "
    "#46b6a8 #58bda5 #6ac3a2 #7cc99f #8ecf9c #a0d49a #b2d999 #c4de9a #d5e29b #e5e69f #f6eaa4"
)
DIVERGING_LIGHT = (
    "#234993 #2f5399 #3b5ea0 #4869a6 #5473ac #617eb3 #6d88b9 #7a93bf #879ec5 #95a8cb #a2b3d0 "
    "#b0bed6 #bec9dc #cbd4e2 #d9dfe7 #e8eaed #f6f5f2 #efe8e3 #e8dcd4 #e1cfc5 #dac3b7 #d3b6a9 "
    "#cbaa9a #c49e8c #bd927e #b58670 #ad7a63 #a66f55 #9e6347 #965739 #8e4b2b #863f1c #7e3307"
)
DIVERGING_DARK = (
    "#82c5fd #7cb9ee #75aedf #6ea3d0 #6898c1 #628db3 #5b82a4 #557896 #4f6d89 #48637b #42596e "
    "#3c4f61 #364554 #303c48 #2a323b #242930 #1f2024 #2a2829 #36302d #423832 #4e4036 #5b483a "
    "#68513e #755943 #836247 #916b4a #9f734e #ad7c52 #bb8556 #ca8f5a #d9985d #e8a161 #f7ab64"
)

# Indices of the 256 colours of a terminal: OKLab lightness is strictly monotone, in each half for
# diverging ramps. The nearest colours in RGB would have grey and purple patches.
SEQUENTIAL_LIGHT_256 = "231 187 151 115 73 31 25 18 17"
SEQUENTIAL_DARK_256 = "234 236 238 24 31 37 79 150 222"
DIVERGING_LIGHT_256 = "25 67 110 153 255 223 173 130 88"
DIVERGING_DARK_256 = "117 74 67 60 234 95 131 173 215"

'use client'

import clsx from 'clsx'
import { Slider } from 'radix-ui'
import { useEffect, useRef, useState } from 'react'
import { renderedPath } from '@/lib/paths'
import type { InstanceReference } from '@/lib/types'

interface SegPictureProps {
  studyUid: string
  seg: InstanceReference
  frames: number
}

/** The segmentation painted over the image by the server, one slice at a time. */
export function SegPicture({ studyUid, seg, frames }: SegPictureProps) {
  const [asked, setFrame] = useState(Math.ceil(frames / 2))
  const frame = Math.min(Math.max(asked, 1), frames)
  const address = (number: number) => renderedPath(studyUid, seg, number)
  const [broken, setBroken] = useState<string | null>(null)
  const [shown, setShown] = useState(false)
  const box = useWheel((by) => setFrame(Math.min(Math.max(frame + by, 1), frames)))

  useEffect(() => {
    for (const near of [frame + 1, frame - 1].filter((number) => number >= 1 && number <= frames)) {
      new Image().src = renderedPath(studyUid, seg, near)
    }
  }, [studyUid, seg, frame, frames])

  return (
    <figure className="w-full max-w-[26rem] shrink-0 space-y-2" data-testid="seg-picture">
      <div ref={box} className="relative flex aspect-square items-center justify-center overflow-hidden rounded bg-black">
        {!shown && broken === null && <p className="absolute animate-breathe text-soft">Rendering…</p>}
        {broken === address(frame) ? (
          <p className="p-6 text-center text-soft">This slice could not be rendered.</p>
        ) : (
          <img
            src={address(frame)}
            alt={`Segmentation over the image, slice ${frame} of ${frames}`}
            className={clsx('size-full object-contain', !shown && 'opacity-0')}
            onLoad={() => setShown(true)}
            onError={() => setBroken(address(frame))}
          />
        )}
      </div>
      <figcaption className="flex items-center gap-3 text-xs text-soft tabular-nums">
        <Slider.Root
          min={1}
          max={frames}
          value={[frame]}
          onValueChange={([value]) => setFrame(value ?? frame)}
          disabled={frames === 1}
          className="relative flex h-5 flex-1 touch-none items-center select-none"
        >
          <Slider.Track className="relative h-1 flex-1 rounded-full bg-edge">
            <Slider.Range className="absolute h-full rounded-full bg-accent" />
          </Slider.Track>
          <Slider.Thumb aria-label="Slice" className="block size-3.5 rounded-full bg-ink shadow" />
        </Slider.Root>
        <span className="min-w-24 text-right whitespace-nowrap">
          Slice {frame} / {frames}
        </span>
      </figcaption>
    </figure>
  )
}

/** The wheel turns slices. React's own listener is passive, so the page would scroll as well. */
function useWheel(turn: (by: 1 | -1) => void) {
  const box = useRef<HTMLDivElement>(null)
  const latest = useRef(turn)
  useEffect(() => {
    latest.current = turn
  })
  useEffect(() => {
    const element = box.current
    const roll = (event: WheelEvent) => {
      event.preventDefault()
      if (event.deltaY !== 0) latest.current(event.deltaY > 0 ? 1 : -1)
    }
    element?.addEventListener('wheel', roll, { passive: false })
    return () => element?.removeEventListener('wheel', roll)
  }, [])
  return box
}
